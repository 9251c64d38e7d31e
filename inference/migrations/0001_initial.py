"""Tables of the app as first laid out."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("registry", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Cell",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("inputs", models.JSONField()),
                (
                    "facts",
                    models.JSONField(
                        blank=True, default=dict, help_text="what the engine saw: finite, deviation, digest"
                    ),
                ),
                ("seconds", models.FloatField(default=0)),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.blob"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Sheet",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "base_digest",
                    models.CharField(
                        blank=True, help_text="digest of the base's weight files", max_length=64
                    ),
                ),
                ("recipe", models.CharField(max_length=60)),
                ("recipe_digest", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("rendering", "Rendering"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("refused", "Not renderable"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "code",
                    models.CharField(blank=True, help_text="why it failed or was refused", max_length=60),
                ),
                ("message", models.TextField(blank=True)),
                (
                    "plan",
                    models.JSONField(
                        blank=True, default=dict, help_text="rows and columns as they were planned"
                    ),
                ),
                ("manifest", models.JSONField(blank=True, default=dict)),
                ("metrics", models.JSONField(blank=True, default=dict)),
                ("findings", models.JSONField(blank=True, default=list)),
                ("cells_total", models.PositiveIntegerField(default=0)),
                ("seconds", models.FloatField(default=0)),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("finished", models.DateTimeField(blank=True, null=True)),
                (
                    "base",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sheets",
                        to="registry.basemodel",
                    ),
                ),
                (
                    "blob",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="sheets", to="registry.blob"
                    ),
                ),
                (
                    "image",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.blob",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sheets",
                        to="registry.version",
                    ),
                ),
            ],
            options={
                "ordering": ["-created", "-id"],
            },
        ),
        migrations.CreateModel(
            name="SheetCell",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("row", models.PositiveIntegerField()),
                ("column", models.PositiveIntegerField()),
                ("role", models.CharField(max_length=10)),
                ("metrics", models.JSONField(blank=True, default=dict)),
                (
                    "cell",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="places",
                        to="inference.cell",
                    ),
                ),
                (
                    "sheet",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="places",
                        to="inference.sheet",
                    ),
                ),
            ],
            options={
                "ordering": ["row", "column"],
            },
        ),
        migrations.AddConstraint(
            model_name="cell",
            constraint=models.CheckConstraint(
                condition=models.Q(("key__regex", "^[0-9a-f]{64}$")), name="cell_key_hex"
            ),
        ),
        migrations.AddConstraint(
            model_name="sheet",
            constraint=models.UniqueConstraint(
                fields=("version", "blob", "base", "recipe_digest"), name="sheet_once_per_recipe_and_base"
            ),
        ),
        migrations.AddConstraint(
            model_name="sheet",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["waiting", "rendering", "done", "failed", "refused"])),
                name="sheet_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="sheet",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "done"), _negated=True), ("image__isnull", False), _connector="OR"
                ),
                name="sheet_done_has_image",
            ),
        ),
        migrations.AddConstraint(
            model_name="sheetcell",
            constraint=models.UniqueConstraint(fields=("sheet", "row", "column"), name="sheet_place_unique"),
        ),
        migrations.AddConstraint(
            model_name="sheetcell",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["base", "control", "adapter"])), name="sheet_cell_role_known"
            ),
        ),
    ]
