"""Which Kura this is, how others have vetted a version, and the SHA256 that a source announces for a file."""

import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0014_upstream_states"),
    ]

    operations = [
        migrations.CreateModel(
            name="Instance",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("identity", models.UUIDField(default=uuid.uuid4, editable=False)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="termsclaim",
            name="claim_kind_known",
        ),
        migrations.AddField(
            model_name="file",
            name="announced",
            field=models.CharField(
                blank=True, help_text="SHA256 as the source announces it; never an identity", max_length=64
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
                    ("conclusion", "A reviewer's conclusion"),
                    ("peer_vetting", "Vetting by another Kura"),
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
                        [
                            "license",
                            "civitai_flags",
                            "base",
                            "rights",
                            "text_terms",
                            "service_terms",
                            "conclusion",
                            "peer_vetting",
                        ],
                    )
                ),
                name="claim_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="instance",
            constraint=models.CheckConstraint(condition=models.Q(("id", 1)), name="instance_only_one"),
        ),
    ]
