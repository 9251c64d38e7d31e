"""Rows for what is computed from the weights: statistics of a blob, differences of two."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0002_append_only"),
    ]

    operations = [
        migrations.CreateModel(
            name="Analysis",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("edition", models.CharField(help_text="edition of the statistics", max_length=20)),
                ("state", models.CharField(choices=[("done", "Done"), ("failed", "Failed")], max_length=8)),
                ("data", models.JSONField(blank=True, default=dict)),
                ("code", models.CharField(blank=True, max_length=60)),
                ("message", models.TextField(blank=True)),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "blob",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="analyses",
                        to="registry.blob",
                    ),
                ),
            ],
            options={
                "ordering": ["-created", "-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("blob", "edition"), name="analysis_once_per_edition"),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["done", "failed"])), name="analysis_state_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state", "done"), models.Q(("code", ""), _negated=True), _connector="OR"
                        ),
                        name="analysis_failed_has_code",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="VersionDiff",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("edition", models.CharField(help_text="edition of the statistics", max_length=20)),
                ("state", models.CharField(choices=[("done", "Done"), ("failed", "Failed")], max_length=8)),
                ("data", models.JSONField(blank=True, default=dict)),
                ("code", models.CharField(blank=True, max_length=60)),
                ("message", models.TextField(blank=True)),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "new",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.blob"
                    ),
                ),
                (
                    "old",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.blob"
                    ),
                ),
            ],
            options={
                "ordering": ["-created", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("old", "new", "edition"), name="version_diff_once_per_edition"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("old", models.F("new")), _negated=True),
                        name="version_diff_of_two_blobs",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["done", "failed"])), name="version_diff_state_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state", "done"), models.Q(("code", ""), _negated=True), _connector="OR"
                        ),
                        name="version_diff_failed_has_code",
                    ),
                ],
            },
        ),
    ]
