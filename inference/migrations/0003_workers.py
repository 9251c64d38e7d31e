from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("inference", "0002_recipes")]

    operations = [
        migrations.AddField(
            model_name="sheet",
            name="fallbacks",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="what was done when memory did not suffice, step by step",
            ),
        ),
        migrations.AddField(
            model_name="sheet",
            name="reproduction",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="how its pictures compared when they were last rendered again",
            ),
        ),
    ]
