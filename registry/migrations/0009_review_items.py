"""Recorded items of a review, questions to authors and their answers."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0008_terms_history"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuthorAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "answered_by",
                    models.CharField(help_text="name or account that wrote the message", max_length=200),
                ),
                (
                    "identity",
                    models.CharField(
                        choices=[
                            ("same_account", "The account that published the adapter"),
                            ("linked_account", "An account that the author's page links to"),
                            ("mail_domain", "Mail from the author's own domain"),
                            ("signed", "Signed with a known key"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "proof",
                    models.CharField(help_text="what shows it: a link, a key, a header", max_length=500),
                ),
                ("received", models.DateTimeField()),
                (
                    "reading",
                    models.JSONField(
                        help_text="grants, refusals, conditions and limits, in the engine's words"
                    ),
                ),
                (
                    "credit",
                    models.JSONField(blank=True, default=dict, help_text="required, wording, links, where"),
                ),
                (
                    "material",
                    models.TextField(blank=True, help_text="what it says of training material and persons"),
                ),
                ("curator", models.CharField(max_length=150)),
                ("second_reader", models.CharField(blank=True, max_length=150)),
                ("second_read", models.DateTimeField(blank=True, null=True)),
                ("withdrawn", models.DateTimeField(blank=True, null=True)),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "ordering": ["received", "id"],
            },
        ),
        migrations.CreateModel(
            name="AuthorQuestion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "items",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20),
                        help_text="keys of registry.licensing.items.ITEMS",
                        size=None,
                    ),
                ),
                (
                    "files",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        help_text="SHA256 of each file it is about",
                        size=None,
                    ),
                ),
                ("language", models.CharField(max_length=5)),
                ("text", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("drafted", "Drafted"),
                            ("sent", "Sent"),
                            ("reminded", "Reminded"),
                            ("answered", "Answered"),
                            ("no_reply", "No reply"),
                            ("withdrawn", "Taken back"),
                        ],
                        default="drafted",
                        max_length=10,
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("civitai", "Civitai message or comment"),
                            ("huggingface", "Hugging Face discussion"),
                            ("email", "E-mail"),
                            ("x", "X"),
                            ("discord", "Discord"),
                            ("pixiv", "pixiv"),
                            ("patreon", "Patreon"),
                            ("other", "Other"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "address",
                    models.CharField(blank=True, help_text="account, address or link", max_length=500),
                ),
                ("drafted", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("drafted_by", models.CharField(max_length=150)),
                ("sent", models.DateTimeField(blank=True, null=True)),
                ("sent_by", models.CharField(blank=True, max_length=150)),
                (
                    "reminded",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.DateTimeField(), blank=True, default=list, size=None
                    ),
                ),
                (
                    "last_asked",
                    models.DateTimeField(blank=True, help_text="when sent, or reminded last", null=True),
                ),
                (
                    "closed",
                    models.DateTimeField(blank=True, help_text="answered, given up or taken back", null=True),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ReviewItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=20)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("unread", "Nothing found"),
                            ("stated", "Stated"),
                            ("asked", "Asked"),
                            ("answered", "Answered"),
                            ("concluded", "Concluded"),
                        ],
                        default="unread",
                        max_length=10,
                    ),
                ),
                ("stated", models.JSONField(blank=True, default=dict)),
                ("value", models.JSONField(blank=True, default=dict)),
                ("reason", models.TextField(blank=True)),
                (
                    "who",
                    models.CharField(blank=True, help_text="who concluded or recorded it", max_length=150),
                ),
                (
                    "since",
                    models.DateTimeField(
                        default=django.utils.timezone.now, help_text="when it came to stand so"
                    ),
                ),
            ],
            options={
                "ordering": ["version_id", "id"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="termsclaim",
            name="claim_kind_known",
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
                        ],
                    )
                ),
                name="claim_kind_known",
            ),
        ),
        migrations.AddField(
            model_name="authoranswer",
            name="message",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="answers",
                to="registry.snapshot",
            ),
        ),
        migrations.AddField(
            model_name="authoranswer",
            name="picture",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="answer_pictures",
                to="registry.blob",
            ),
        ),
        migrations.AddField(
            model_name="authoranswer",
            name="proof_picture",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="proof_pictures",
                to="registry.blob",
            ),
        ),
        migrations.AddField(
            model_name="authoranswer",
            name="withdrawal",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="withdrawals",
                to="registry.snapshot",
            ),
        ),
        migrations.AddField(
            model_name="authorquestion",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="questions", to="registry.version"
            ),
        ),
        migrations.AddField(
            model_name="authoranswer",
            name="question",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="answers",
                to="registry.authorquestion",
            ),
        ),
        migrations.AddField(
            model_name="reviewitem",
            name="claim",
            field=models.ForeignKey(
                blank=True,
                help_text="the conclusion",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="registry.termsclaim",
            ),
        ),
        migrations.AddField(
            model_name="reviewitem",
            name="evidence",
            field=models.ForeignKey(
                blank=True,
                help_text="the bytes that the value was read from",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="registry.snapshot",
            ),
        ),
        migrations.AddField(
            model_name="reviewitem",
            name="question",
            field=models.ForeignKey(
                blank=True,
                help_text="the last question that asks about it",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="registry.authorquestion",
            ),
        ),
        migrations.AddField(
            model_name="reviewitem",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="items", to="registry.version"
            ),
        ),
        migrations.AddIndex(
            model_name="authorquestion",
            index=models.Index(fields=["state", "last_asked"], name="question_waiting"),
        ),
        migrations.AddConstraint(
            model_name="authorquestion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["drafted", "sent", "reminded", "answered", "no_reply", "withdrawn"])
                ),
                name="question_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="authorquestion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "drafted"),
                    models.Q(
                        ("sent__isnull", False),
                        models.Q(("channel", ""), _negated=True),
                        models.Q(("address", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="question_sent_has_date_and_way",
            ),
        ),
        migrations.AddConstraint(
            model_name="authoranswer",
            constraint=models.CheckConstraint(
                condition=models.Q(("message__isnull", False), ("picture__isnull", False), _connector="OR"),
                name="answer_has_message",
            ),
        ),
        migrations.AddConstraint(
            model_name="authoranswer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("identity__in", ["same_account", "linked_account", "mail_domain", "signed"])
                ),
                name="answer_identity_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="reviewitem",
            constraint=models.UniqueConstraint(fields=("version", "key"), name="item_once_per_version"),
        ),
        migrations.AddConstraint(
            model_name="reviewitem",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["unread", "stated", "asked", "answered", "concluded"])),
                name="item_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="reviewitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "concluded"), _negated=True),
                    models.Q(
                        ("claim__isnull", False),
                        models.Q(("reason", ""), _negated=True),
                        models.Q(("who", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="item_conclusion_has_reason_and_name",
            ),
        ),
    ]
