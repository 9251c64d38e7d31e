"""What a source says of the fields that a person has set here."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0018_subscription_policy"),
    ]

    operations = [
        migrations.AddField(
            model_name=name,
            name="stated",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="what the source says of the fields that a person has set",
            ),
        )
        for name in ("adapter", "version")
    ]
