"""Rules as rows, how profiles were decided last, and the append-only history of verdicts."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

# As for the audit log: what was told about terms once can never be changed.
FORWARD = """
CREATE TRIGGER registry_termsevent_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON registry_termsevent
    FOR EACH STATEMENT EXECUTE FUNCTION registry_refuse_change();

CREATE TRIGGER registry_verdictchange_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON registry_verdictchange
    FOR EACH STATEMENT EXECUTE FUNCTION registry_refuse_change();
"""

REVERSE = """
DROP TRIGGER registry_verdictchange_append_only ON registry_verdictchange;
DROP TRIGGER registry_termsevent_append_only ON registry_termsevent;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0007_claim_kinds"),
    ]

    operations = [
        migrations.CreateModel(
            name="TermsBasis",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("licenses", models.JSONField()),
                ("rules", models.JSONField()),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
        ),
        migrations.CreateModel(
            name="ProfileOutcomes",
            fields=[
                (
                    "profile",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="decided",
                        serialize=False,
                        to="registry.termsprofile",
                    ),
                ),
                ("outcomes", models.JSONField()),
                (
                    "basis",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="decided",
                        to="registry.termsbasis",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TermsEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("reply", "The author's reply"),
                            ("claim", "Statements about the adapter"),
                            ("rights", "Rights in the material"),
                            ("base", "The base model"),
                            ("license", "A license was read anew"),
                            ("rule", "A policy or someone's terms"),
                            ("engine", "A newer release reads the terms differently"),
                        ],
                        max_length=10,
                    ),
                ),
                ("why", models.JSONField(default=list)),
                ("evidence", models.JSONField(default=dict)),
                (
                    "basis_after",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.termsbasis",
                    ),
                ),
                (
                    "basis_before",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.termsbasis",
                    ),
                ),
                (
                    "profile_after",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.termsprofile",
                    ),
                ),
                (
                    "profile_before",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.termsprofile",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="terms_events",
                        to="registry.version",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="TermsNotice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("delivered", models.DateTimeField(blank=True, null=True)),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="registry.termsevent",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="terms_notices",
                        to="registry.version",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="TermsRule",
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
                            ("policy", "House policy"),
                            ("host", "Host"),
                            ("service", "Service"),
                            ("tool", "Tool"),
                            ("overlay", "Guideline of a third party"),
                        ],
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                (
                    "name",
                    models.SlugField(
                        help_text="What the fact host or tool says, in lower case.",
                        max_length=100,
                        verbose_name="name",
                    ),
                ),
                (
                    "aliases",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Other spellings, as a list.",
                        verbose_name="other names",
                    ),
                ),
                ("title", models.CharField(max_length=300, verbose_name="title")),
                ("revision", models.PositiveIntegerField(default=1, editable=False, verbose_name="revision")),
                ("current", models.BooleanField(default=True, editable=False, verbose_name="current")),
                (
                    "active",
                    models.BooleanField(
                        default=True,
                        help_text="Without it the rule is kept on file and binds nobody.",
                        verbose_name="active",
                    ),
                ),
                (
                    "read",
                    models.BooleanField(
                        default=False,
                        help_text="Until somebody has read them, every act stays unknown.",
                        verbose_name="terms were read",
                    ),
                ),
                (
                    "acts",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='Act to status and conditions: {"sell_adapter": {"status": "forbidden", "conditions": []}}',
                        verbose_name="acts",
                    ),
                ),
                (
                    "holds_disputed",
                    models.BooleanField(
                        default=False,
                        help_text="Policy only: an answer that rests on a disputed clause counts as unknown.",
                        verbose_name="hold what is disputed",
                    ),
                ),
                (
                    "applies_to",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Nothing means everything; else lists under base_models, licenses or tags, of which one must fit.",
                        verbose_name="applies to",
                    ),
                ),
                ("clause", models.CharField(blank=True, max_length=300, verbose_name="clause")),
                (
                    "next_step",
                    models.CharField(
                        blank=True,
                        help_text="What to do when the rule stands in the way.",
                        max_length=300,
                        verbose_name="next step",
                    ),
                ),
                ("source", models.URLField(blank=True, max_length=1000, verbose_name="source")),
                ("sha256", models.CharField(editable=False, max_length=64)),
                (
                    "created",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="created"
                    ),
                ),
                (
                    "snapshot",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rules",
                        to="registry.snapshot",
                        verbose_name="snapshot",
                    ),
                ),
            ],
            options={
                "verbose_name": "rule",
                "verbose_name_plural": "rules",
                "ordering": ["kind", "name", "-revision"],
            },
        ),
        migrations.CreateModel(
            name="VerdictChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("act", models.CharField(max_length=60)),
                ("before", models.CharField(max_length=12)),
                ("after", models.CharField(max_length=12)),
                ("conditions_before", models.JSONField(default=list)),
                ("conditions_after", models.JSONField(default=list)),
                (
                    "direction",
                    models.CharField(
                        choices=[
                            ("looser", "Looser"),
                            ("tighter", "Tighter"),
                            ("unknown", "No longer known"),
                            ("other", "Other conditions"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="changes",
                        to="registry.termsevent",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="verdict_changes",
                        to="registry.version",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AddConstraint(
            model_name="termsevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("cause__in", ["reply", "claim", "rights", "base", "license", "rule", "engine"])
                ),
                name="terms_cause_known",
            ),
        ),
        migrations.AddIndex(
            model_name="termsnotice",
            index=models.Index(
                condition=models.Q(("delivered__isnull", True)), fields=["id"], name="terms_notice_waiting"
            ),
        ),
        migrations.AddConstraint(
            model_name="termsnotice",
            constraint=models.UniqueConstraint(
                fields=("event", "version"), name="terms_notice_once_per_event"
            ),
        ),
        migrations.AddConstraint(
            model_name="termsrule",
            constraint=models.UniqueConstraint(
                fields=("kind", "name", "revision"), name="rule_revision_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="termsrule",
            constraint=models.UniqueConstraint(
                condition=models.Q(("current", True)),
                fields=("kind", "name"),
                name="rule_one_current_revision",
            ),
        ),
        migrations.AddConstraint(
            model_name="termsrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["policy", "host", "service", "tool", "overlay"])),
                name="rule_kind_known",
            ),
        ),
        migrations.AddIndex(
            model_name="verdictchange",
            index=models.Index(fields=["version", "-id"], name="verdict_change_of_version"),
        ),
        migrations.AddConstraint(
            model_name="verdictchange",
            constraint=models.UniqueConstraint(
                fields=("event", "version", "act"), name="verdict_change_once_per_event"
            ),
        ),
        migrations.AddConstraint(
            model_name="verdictchange",
            constraint=models.CheckConstraint(
                condition=models.Q(("direction__in", ["looser", "tighter", "unknown", "other"])),
                name="verdict_change_direction_known",
            ),
        ),
        migrations.RunSQL(FORWARD, REVERSE),
    ]
