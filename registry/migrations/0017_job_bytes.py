from django.db import migrations, models


class Migration(migrations.Migration):
    """The progress of a job may be bytes, and files are larger than 2 GiB."""

    dependencies = [
        ("registry", "0016_host_budgets"),
    ]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="progress_done",
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="job",
            name="progress_total",
            field=models.PositiveBigIntegerField(default=0, help_text="0 while not known."),
        ),
    ]
