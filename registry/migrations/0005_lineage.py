"""Rows for what is known again: a sketch of each blob's weights, and the kinships found by it."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0004_analysis"),
    ]

    operations = [
        migrations.CreateModel(
            name="Kinship",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "relation",
                    models.CharField(
                        choices=[
                            ("same_weights", "Same weights"),
                            ("re_upload", "Re-upload"),
                            ("resized", "Resized"),
                            ("part_of", "Merged from, or into"),
                            ("similar", "Similar"),
                        ],
                        max_length=16,
                    ),
                ),
                ("cosine", models.FloatField()),
                ("share", models.FloatField()),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "blob",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="kinships",
                        to="registry.blob",
                    ),
                ),
                (
                    "other",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="registry.blob"
                    ),
                ),
            ],
            options={
                "ordering": ["-cosine", "id"],
                "constraints": [
                    models.UniqueConstraint(fields=("blob", "other"), name="kinship_once_per_pair"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("relation__in", ["same_weights", "re_upload", "resized", "part_of", "similar"])
                        ),
                        name="kinship_relation_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("blob", models.F("other")), _negated=True), name="kinship_of_two"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Sketch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("edition", models.CharField(help_text="edition of the sketch", max_length=20)),
                ("family", models.CharField(default="unknown", max_length=40)),
                ("data", models.BinaryField(help_text="registry.weights.sketch.Sketch.to_bytes")),
                (
                    "signature",
                    models.BinaryField(help_text="512 numbers as int8: the first stage of a search"),
                ),
                ("norm", models.FloatField(help_text="Frobenius norm of the whole change, estimated")),
                ("modules", models.PositiveIntegerField(help_text="layers in the sketch")),
                (
                    "skipped",
                    models.PositiveIntegerField(default=0, help_text="modules that could not be sketched"),
                ),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "blob",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="sketch", to="registry.blob"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "indexes": [models.Index(fields=["family", "edition", "id"], name="sketch_partition")],
            },
        ),
    ]
