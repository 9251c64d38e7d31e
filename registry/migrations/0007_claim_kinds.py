"""More kinds of claims, with what was not understood and what is only a hint."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0006_scanned_path"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="termsclaim",
            name="claim_kind_known",
        ),
        migrations.AddField(
            model_name="termsclaim",
            name="hints",
            field=models.JSONField(blank=True, default=dict, help_text="weak evidence, which binds nobody"),
        ),
        migrations.AddField(
            model_name="termsclaim",
            name="unread",
            field=models.JSONField(
                blank=True, default=list, help_text="parts of it that were not understood"
            ),
        ),
        migrations.AlterField(
            model_name="termsclaim",
            name="kind",
            field=models.CharField(
                choices=[
                    ("license", "License of the adapter"),
                    ("civitai_flags", "Civitai permission flags"),
                    ("base", "Base model"),
                    ("rights", "Rights in the material"),
                    ("text_terms", "Terms in the author's own words"),
                    ("service_terms", "Terms of a service"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="termsclaim",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        ["license", "civitai_flags", "base", "rights", "text_terms", "service_terms"],
                    )
                ),
                name="claim_kind_known",
            ),
        ),
    ]
