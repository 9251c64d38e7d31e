"""Tables of the app as first laid out."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TermsProfile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("terms", models.JSONField()),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
        ),
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("actor", models.CharField(help_text="user name, or system", max_length=150)),
                ("action", models.CharField(max_length=60)),
                ("subject", models.CharField(help_text="kind:id", max_length=200)),
                ("data", models.JSONField(blank=True, default=dict)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["subject", "-id"], name="audit_subject")],
            },
        ),
        migrations.CreateModel(
            name="Blob",
            fields=[
                (
                    "sha256",
                    models.CharField(
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
                ("size", models.BigIntegerField()),
                ("blake3", models.CharField(blank=True, max_length=64)),
                ("crc32", models.CharField(blank=True, max_length=8)),
                ("autov1", models.CharField(blank=True, max_length=8)),
                ("autov2", models.CharField(blank=True, max_length=10)),
                ("autov3", models.CharField(blank=True, max_length=12)),
                ("container", models.CharField(default="unknown", max_length=20)),
                ("stored", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["autov2"], name="blob_autov2"),
                    models.Index(fields=["autov3"], name="blob_autov3"),
                    models.Index(fields=["blake3"], name="blob_blake3"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("sha256__regex", "^[0-9a-f]{64}$")), name="blob_sha256_hex"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("size__gte", 0)), name="blob_size_not_negative"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Creator",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("civitai", "Civitai"),
                            ("huggingface", "Hugging Face Hub"),
                            ("folder", "Folder"),
                            ("kura", "Another Kura"),
                        ],
                        max_length=16,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("url", models.URLField(blank=True, max_length=500)),
            ],
            options={
                "ordering": ["name", "id"],
                "constraints": [
                    models.UniqueConstraint(fields=("source", "name"), name="creator_source_name_unique"),
                    models.CheckConstraint(
                        condition=models.Q(("source__in", ["civitai", "huggingface", "folder", "kura"])),
                        name="creator_source_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Adapter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("civitai", "Civitai"),
                            ("huggingface", "Hugging Face Hub"),
                            ("folder", "Folder"),
                            ("kura", "Another Kura"),
                        ],
                        max_length=16,
                    ),
                ),
                ("source_key", models.CharField(max_length=500)),
                ("source_url", models.URLField(blank=True, max_length=1000)),
                ("name", models.CharField(max_length=300)),
                ("description", models.TextField(blank=True)),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=100), blank=True, default=list, size=None
                    ),
                ),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("updated", models.DateTimeField(auto_now=True)),
                (
                    "creator",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="adapters",
                        to="registry.creator",
                    ),
                ),
            ],
            options={"ordering": ["-created", "-id"]},
        ),
        migrations.CreateModel(
            name="Inspection",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reader", models.CharField(help_text="edition of the reader", max_length=20)),
                ("data", models.JSONField()),
                ("valid", models.BooleanField()),
                ("kind", models.CharField(max_length=30)),
                ("algorithm", models.CharField(blank=True, max_length=20)),
                ("dialect", models.CharField(blank=True, max_length=40)),
                ("family", models.CharField(default="unknown", max_length=40)),
                ("rank_max", models.PositiveIntegerField(blank=True, null=True)),
                ("modules", models.PositiveIntegerField(default=0)),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "blob",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="inspections",
                        to="registry.blob",
                    ),
                ),
            ],
            options={"ordering": ["-created", "-id"]},
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(help_text="Name of the handler, e.g. inference.render.", max_length=64),
                ),
                (
                    "key",
                    models.CharField(
                        help_text="What the work is about; one job per kind and key.", max_length=255
                    ),
                ),
                (
                    "queue",
                    models.CharField(choices=[("cpu", "CPU"), ("gpu", "GPU")], default="cpu", max_length=8),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("canceled", "Canceled"),
                        ],
                        default="queued",
                        max_length=8,
                    ),
                ),
                ("priority", models.SmallIntegerField(default=0, help_text="Smaller goes first.")),
                (
                    "family",
                    models.CharField(
                        blank=True,
                        help_text="Base model family; a worker keeps one base loaded.",
                        max_length=64,
                    ),
                ),
                ("payload", models.JSONField(blank=True, default=dict)),
                (
                    "attempt",
                    models.PositiveSmallIntegerField(default=0, help_text="How often the work was started."),
                ),
                ("max_attempts", models.PositiveSmallIntegerField(default=3)),
                (
                    "not_before",
                    models.DateTimeField(blank=True, help_text="No attempt before then.", null=True),
                ),
                ("worker", models.CharField(blank=True, max_length=128)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("heartbeat", models.DateTimeField(blank=True, null=True)),
                ("cancel_requested", models.BooleanField(default=False)),
                ("error_code", models.CharField(blank=True, max_length=64)),
                ("error_message", models.TextField(blank=True)),
                ("progress_done", models.PositiveIntegerField(default=0)),
                ("progress_total", models.PositiveIntegerField(default=0, help_text="0 while not known.")),
                ("created", models.DateTimeField(auto_now_add=True)),
                (
                    "started",
                    models.DateTimeField(blank=True, help_text="Start of the latest attempt.", null=True),
                ),
                ("finished", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-created", "-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "queued")),
                        fields=["queue", "priority", "created"],
                        name="job_waiting",
                    ),
                    models.Index(
                        condition=models.Q(("state", "running")), fields=["lease_until"], name="job_leases"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "key"), name="job_once_per_kind_and_key"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["queued", "running", "done", "failed", "canceled"])
                        ),
                        name="job_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("queue__in", ["cpu", "gpu"])), name="job_queue_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("max_attempts__gte", 1)), name="job_max_attempts_positive"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("progress_total", 0),
                            ("progress_done__lte", models.F("progress_total")),
                            _connector="OR",
                        ),
                        name="job_progress_within_total",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("lease_until__isnull", False),
                                ("started__isnull", False),
                                ("state", "running"),
                                models.Q(("worker", ""), _negated=True),
                            ),
                            models.Q(
                                models.Q(("state", "running"), _negated=True),
                                ("lease_until__isnull", True),
                                ("worker", ""),
                            ),
                            _connector="OR",
                        ),
                        name="job_running_has_worker_and_lease",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished__isnull", False), ("state__in", ("done", "failed", "canceled"))
                            ),
                            models.Q(
                                models.Q(("state__in", ("done", "failed", "canceled")), _negated=True),
                                ("finished__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="job_finished_has_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "failed"), _negated=True),
                            models.Q(("error_code", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="job_failed_has_code",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="License",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("license_id", models.CharField(max_length=100)),
                ("revision", models.PositiveIntegerField(default=1)),
                ("name", models.CharField(max_length=300)),
                ("url", models.URLField(blank=True, max_length=1000)),
                ("data", models.JSONField(default=dict)),
                ("sha256", models.CharField(max_length=64)),
                ("current", models.BooleanField(default=True)),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "ordering": ["license_id", "-revision"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("license_id", "revision"), name="license_revision_unique"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("current", True)),
                        fields=("license_id",),
                        name="license_one_current_revision",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BaseModel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(max_length=100, unique=True)),
                ("name", models.CharField(max_length=200)),
                ("family", models.CharField(max_length=40)),
                (
                    "weights",
                    models.CharField(
                        blank=True,
                        help_text="local folder or Hub id a worker renders with; empty = not renderable",
                        max_length=500,
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="children",
                        to="registry.basemodel",
                    ),
                ),
                (
                    "license",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="base_models",
                        to="registry.license",
                    ),
                ),
            ],
            options={"ordering": ["name", "id"]},
        ),
        migrations.CreateModel(
            name="Snapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "url",
                    models.CharField(help_text="where it was read; file:NAME for a sidecar", max_length=2000),
                ),
                (
                    "sha256",
                    models.CharField(
                        max_length=64,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[0-9a-f]{64}\\Z", "64 lower-case hexadecimal digits"
                            )
                        ],
                    ),
                ),
                ("body", models.BinaryField()),
                ("media_type", models.CharField(blank=True, max_length=100)),
                ("etag", models.CharField(blank=True, max_length=300)),
                ("fetched", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "ordering": ["-fetched", "-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("url", "sha256"), name="snapshot_once_per_content"),
                    models.CheckConstraint(
                        condition=models.Q(("sha256__regex", "^[0-9a-f]{64}$")), name="snapshot_sha256_hex"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Version",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("source_key", models.CharField(max_length=500)),
                ("name", models.CharField(max_length=200)),
                ("notes", models.TextField(blank=True)),
                (
                    "trigger_words",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=300), blank=True, default=list, size=None
                    ),
                ),
                (
                    "declared_base",
                    models.CharField(blank=True, help_text="as the author wrote it", max_length=300),
                ),
                (
                    "detected_family",
                    models.CharField(default="unknown", help_text="read from the weights", max_length=40),
                ),
                (
                    "vetting",
                    models.CharField(
                        choices=[
                            ("waiting", "In review"),
                            ("approved", "Vetted"),
                            ("rejected", "Rejected"),
                            ("quarantined", "Quarantined"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="waiting",
                        max_length=16,
                    ),
                ),
                ("vetted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "availability",
                    models.CharField(
                        choices=[
                            ("present", "Present upstream"),
                            ("gated", "Gated upstream"),
                            ("archived", "Archived upstream"),
                            ("gone", "Gone upstream"),
                        ],
                        default="present",
                        max_length=16,
                    ),
                ),
                ("availability_since", models.DateTimeField(blank=True, null=True)),
                ("published", models.DateTimeField(blank=True, null=True)),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("updated", models.DateTimeField(auto_now=True)),
                (
                    "adapter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="registry.adapter",
                    ),
                ),
                (
                    "base_decided",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.basemodel",
                    ),
                ),
                (
                    "base_declared",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.basemodel",
                    ),
                ),
                (
                    "terms_profile",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="registry.termsprofile",
                    ),
                ),
            ],
            options={"ordering": ["-created", "-id"]},
        ),
        migrations.CreateModel(
            name="TermsClaim",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("license", "License of the adapter"),
                            ("civitai_flags", "Civitai permission flags"),
                            ("base", "Base model"),
                            ("rights", "Rights in the material"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "standing",
                    models.CharField(
                        choices=[("declared", "Declared"), ("detected", "Detected"), ("decided", "Decided")],
                        default="declared",
                        max_length=10,
                    ),
                ),
                (
                    "value",
                    models.JSONField(
                        help_text="normalized reading: a license id, flags, a base name; null = not recognized",
                        null=True,
                    ),
                ),
                ("wording", models.TextField(blank=True, help_text="as written at the source")),
                ("superseded", models.BooleanField(default=False)),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "snapshot",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="claims",
                        to="registry.snapshot",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="claims",
                        to="registry.version",
                    ),
                ),
            ],
            options={"ordering": ["id"]},
        ),
        migrations.CreateModel(
            name="Sample",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("parameters", models.JSONField(blank=True, default=dict)),
                ("position", models.PositiveIntegerField(default=0)),
                (
                    "blob",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="samples",
                        to="registry.blob",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="samples",
                        to="registry.version",
                    ),
                ),
            ],
            options={"ordering": ["position", "id"]},
        ),
        migrations.CreateModel(
            name="Review",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("approve", "Approve"),
                            ("reject", "Reject"),
                            ("withdraw", "Withdraw"),
                            ("reopen", "Reopen"),
                        ],
                        max_length=10,
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("checks", models.JSONField(default=list)),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "reviewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reviews",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reviews",
                        to="registry.version",
                    ),
                ),
            ],
            options={"ordering": ["-created", "-id"]},
        ),
        migrations.CreateModel(
            name="File",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=300)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("stored", "Stored"),
                            ("quarantined", "Quarantined"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="stored",
                        max_length=16,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True, help_text="why the file is not simply stored", max_length=300
                    ),
                ),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "blob",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="files", to="registry.blob"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="files",
                        to="registry.version",
                    ),
                ),
            ],
            options={"ordering": ["id"]},
        ),
        migrations.CreateModel(
            name="Check",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=60)),
                (
                    "outcome",
                    models.CharField(
                        choices=[("ok", "OK"), ("warn", "Warning"), ("todo", "To do"), ("fail", "Failed")],
                        default="todo",
                        max_length=8,
                    ),
                ),
                ("summary", models.CharField(blank=True, max_length=500)),
                ("evidence", models.JSONField(blank=True, default=dict)),
                ("updated", models.DateTimeField(auto_now=True)),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="checks",
                        to="registry.version",
                    ),
                ),
            ],
            options={"ordering": ["code"]},
        ),
        migrations.CreateModel(
            name="Change",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=40)),
                ("at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="changes",
                        to="registry.version",
                    ),
                ),
            ],
            options={"ordering": ["id"]},
        ),
        migrations.CreateModel(
            name="BaseModelAlias",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "host",
                    models.CharField(
                        choices=[
                            ("civitai", "Civitai"),
                            ("huggingface", "Hugging Face Hub"),
                            ("metadata", "Training metadata"),
                        ],
                        max_length=16,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "base_model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="aliases",
                        to="registry.basemodel",
                    ),
                ),
            ],
            options={
                "ordering": ["host", "name"],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("host"),
                        django.db.models.functions.text.Lower("name"),
                        name="alias_host_name_unique",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("host__in", ["civitai", "huggingface", "metadata"])),
                        name="alias_host_known",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="adapter",
            index=models.Index(fields=["-created", "-id"], name="adapter_newest"),
        ),
        migrations.AddIndex(
            model_name="adapter",
            index=django.contrib.postgres.indexes.GinIndex(fields=["tags"], name="adapter_tags_gin"),
        ),
        migrations.AddConstraint(
            model_name="adapter",
            constraint=models.UniqueConstraint(
                fields=("source", "source_key"), name="adapter_source_key_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="adapter",
            constraint=models.CheckConstraint(
                condition=models.Q(("name", ""), _negated=True), name="adapter_has_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="adapter",
            constraint=models.CheckConstraint(
                condition=models.Q(("source__in", ["civitai", "huggingface", "folder", "kura"])),
                name="adapter_source_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="inspection",
            constraint=models.UniqueConstraint(fields=("blob", "reader"), name="inspection_once_per_reader"),
        ),
        migrations.AddIndex(
            model_name="basemodel",
            index=models.Index(fields=["family"], name="base_model_family"),
        ),
        migrations.AddConstraint(
            model_name="basemodel",
            constraint=models.CheckConstraint(
                condition=models.Q(("parent", models.F("id")), _negated=True),
                name="base_model_not_own_parent",
            ),
        ),
        migrations.AddConstraint(
            model_name="basemodel",
            constraint=models.CheckConstraint(
                condition=models.Q(("family", ""), _negated=True), name="base_model_has_family"
            ),
        ),
        migrations.AddIndex(
            model_name="version",
            index=models.Index(fields=["vetting", "created", "id"], name="version_review_queue"),
        ),
        migrations.AddIndex(
            model_name="version",
            index=models.Index(fields=["detected_family", "-created", "-id"], name="version_family_newest"),
        ),
        migrations.AddConstraint(
            model_name="version",
            constraint=models.UniqueConstraint(
                fields=("adapter", "source_key"), name="version_source_key_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="version",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("vetting__in", ["waiting", "approved", "rejected", "quarantined", "withdrawn"])
                ),
                name="version_vetting_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="version",
            constraint=models.CheckConstraint(
                condition=models.Q(("availability__in", ["present", "gated", "archived", "gone"])),
                name="version_availability_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="version",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("vetting", "approved"), _negated=True),
                    ("vetted_at__isnull", False),
                    _connector="OR",
                ),
                name="version_approved_has_date",
            ),
        ),
        migrations.AddConstraint(
            model_name="version",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("availability", "present"), ("availability_since__isnull", False), _connector="OR"
                ),
                name="version_absence_has_date",
            ),
        ),
        migrations.AddIndex(
            model_name="termsclaim",
            index=models.Index(fields=["version", "kind", "superseded"], name="claim_current"),
        ),
        migrations.AddConstraint(
            model_name="termsclaim",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["license", "civitai_flags", "base", "rights"])),
                name="claim_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="termsclaim",
            constraint=models.CheckConstraint(
                condition=models.Q(("standing__in", ["declared", "detected", "decided"])),
                name="claim_standing_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="termsclaim",
            constraint=models.UniqueConstraint(
                condition=models.Q(("superseded", False)),
                fields=("version", "kind", "standing", "snapshot"),
                name="claim_once_per_source",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="sample",
            constraint=models.UniqueConstraint(fields=("version", "blob"), name="sample_once_per_version"),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.CheckConstraint(
                condition=models.Q(("action__in", ["approve", "reject", "withdraw", "reopen"])),
                name="review_action_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("action__in", ["reject", "withdraw"]), _negated=True),
                    models.Q(("reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="review_refusal_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="file",
            constraint=models.UniqueConstraint(fields=("version", "blob"), name="file_once_per_version"),
        ),
        migrations.AddConstraint(
            model_name="file",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["stored", "quarantined", "withdrawn"])),
                name="file_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="file",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "stored"), models.Q(("reason", ""), _negated=True), _connector="OR"
                ),
                name="file_kept_back_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="check",
            constraint=models.UniqueConstraint(fields=("version", "code"), name="check_once_per_version"),
        ),
        migrations.AddConstraint(
            model_name="check",
            constraint=models.CheckConstraint(
                condition=models.Q(("outcome__in", ["ok", "warn", "todo", "fail"])),
                name="check_outcome_known",
            ),
        ),
    ]
