"""What was made of each scanned path, so that an unchanged folder is passed by."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0009_review_items"),
    ]

    operations = [
        migrations.AddField(
            model_name="scannedpath",
            name="asked",
            field=models.JSONField(blank=True, default=list, help_text="further files that were looked for"),
        ),
        migrations.AddField(
            model_name="scannedpath",
            name="listing",
            field=models.CharField(
                blank=True, help_text="digest of what it was put together with in one adapter", max_length=64
            ),
        ),
        migrations.AddField(
            model_name="scannedpath",
            name="mark",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="scannedpath",
            name="refusal",
            field=models.JSONField(
                blank=True, help_text="code and message of why it was not taken in", null=True
            ),
        ),
        migrations.AddField(
            model_name="scannedpath",
            name="refused_by",
            field=models.CharField(
                blank=True, help_text="edition of the reader that refused it", max_length=64
            ),
        ),
        migrations.AddField(
            model_name="scannedpath",
            name="state",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="scannedpath",
            name="version",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="scanned_paths",
                to="registry.version",
            ),
        ),
        migrations.AlterField(
            model_name="scannedpath",
            name="blob",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="scanned_paths",
                to="registry.blob",
            ),
        ),
        migrations.AlterField(
            model_name="scannedpath",
            name="key",
            field=models.CharField(
                help_text="SHA256 of the path, its folder resolved",
                max_length=64,
                primary_key=True,
                serialize=False,
                validators=[
                    django.core.validators.RegexValidator(
                        "\\A[0-9a-f]{64}\\Z", "64 lower-case hexadecimal digits"
                    )
                ],
            ),
        ),
        migrations.AlterField(
            model_name="scannedpath",
            name="path",
            field=models.TextField(help_text="the path, for people; not always exact, names may be no text"),
        ),
        migrations.AddConstraint(
            model_name="scannedpath",
            constraint=models.CheckConstraint(
                condition=models.Q(("blob__isnull", False), ("refusal__isnull", False), _connector="OR"),
                name="scannedpath_blob_or_refusal",
            ),
        ),
    ]
