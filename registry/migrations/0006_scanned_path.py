"""Which blob each scanned path is, so that unchanged files are not read again."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0005_lineage"),
    ]

    operations = [
        migrations.CreateModel(
            name="ScannedPath",
            fields=[
                (
                    "key",
                    models.CharField(
                        help_text="SHA256 of the resolved path",
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
                (
                    "path",
                    models.TextField(
                        help_text="the resolved path, for people; not always exact, names may be no text"
                    ),
                ),
                ("inode", models.CharField(help_text="up to 64 bits without a sign", max_length=20)),
                ("size", models.BigIntegerField(help_text="bytes")),
                ("mtime_ns", models.BigIntegerField(help_text="nanoseconds since 1970")),
                ("scanned", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "blob",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="scanned_paths",
                        to="registry.blob",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["inode", "size", "mtime_ns"], name="scannedpath_stat")],
            },
        ),
    ]
