"""AuthorQuestion and AuthorAnswer: what an author was asked about a version's files, and what came back."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.adapters import Version
from registry.models.files import Blob
from registry.models.provenance import Snapshot


class QuestionState(models.TextChoices):
    """Where a question stands. Only `answered` grants anything; silence is never consent."""

    DRAFTED = "drafted", _("Drafted")
    SENT = "sent", _("Sent")
    REMINDED = "reminded", _("Reminded")
    ANSWERED = "answered", _("Answered")
    NO_REPLY = "no_reply", _("No reply")
    WITHDRAWN = "withdrawn", _("Taken back")


class Channel(models.TextChoices):
    """By what way a person reached the author."""

    CIVITAI = "civitai", _("Civitai message or comment")
    HUGGINGFACE = "huggingface", _("Hugging Face discussion")
    EMAIL = "email", _("E-mail")
    X = "x", "X"
    DISCORD = "discord", "Discord"
    PIXIV = "pixiv", "pixiv"
    PATREON = "patreon", "Patreon"
    OTHER = "other", _("Other")


class Identity(models.TextChoices):
    """How it is known that the author is the one who answered."""

    SAME_ACCOUNT = "same_account", _("The account that published the adapter")
    LINKED_ACCOUNT = "linked_account", _("An account that the author's page links to")
    MAIL_DOMAIN = "mail_domain", _("Mail from the author's own domain")
    SIGNED = "signed", _("Signed with a known key")


class AuthorQuestion(models.Model):
    """One question to an author, with the acts and the files it is about; a person sends it elsewhere."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="questions")
    items = ArrayField(models.CharField(max_length=20), help_text="keys of registry.licensing.items.ITEMS")
    files = ArrayField(models.CharField(max_length=64), help_text="SHA256 of each file it is about")
    language = models.CharField(max_length=5)
    text = models.TextField()
    state = models.CharField(max_length=10, choices=QuestionState.choices, default=QuestionState.DRAFTED)
    channel = models.CharField(max_length=20, choices=Channel.choices, blank=True)
    address = models.CharField(max_length=500, blank=True, help_text="account, address or link")
    drafted = models.DateTimeField(default=timezone.now, editable=False)
    drafted_by = models.CharField(max_length=150)
    sent = models.DateTimeField(null=True, blank=True)
    sent_by = models.CharField(max_length=150, blank=True)
    reminded = ArrayField(models.DateTimeField(), default=list, blank=True)
    last_asked = models.DateTimeField(null=True, blank=True, help_text="when sent, or reminded last")
    closed = models.DateTimeField(null=True, blank=True, help_text="answered, given up or taken back")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "last_asked"], name="question_waiting")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=QuestionState.values), name="question_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state=QuestionState.DRAFTED)
                | (models.Q(sent__isnull=False) & ~models.Q(channel="") & ~models.Q(address="")),
                name="question_sent_has_date_and_way",
            ),
        ]

    def __str__(self) -> str:
        return f"question {self.pk} about version {self.version_id}"


class AuthorAnswer(models.Model):
    """What an author answered, as a person read it, with the message itself and the proof of who wrote it.

    It counts only for the acts and files of its question. A later answer stands beside it; none is changed.
    """

    question = models.ForeignKey(AuthorQuestion, on_delete=models.PROTECT, related_name="answers")
    answered_by = models.CharField(max_length=200, help_text="name or account that wrote the message")
    identity = models.CharField(max_length=20, choices=Identity.choices)
    proof = models.CharField(max_length=500, help_text="what shows it: a link, a key, a header")
    received = models.DateTimeField()
    message = models.ForeignKey(
        Snapshot, on_delete=models.PROTECT, null=True, blank=True, related_name="answers"
    )
    picture = models.ForeignKey(
        Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="answer_pictures"
    )
    proof_picture = models.ForeignKey(
        Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="proof_pictures"
    )
    reading = models.JSONField(help_text="grants, refusals, conditions and limits, in the engine's words")
    credit = models.JSONField(default=dict, blank=True, help_text="required, wording, links, where")
    material = models.TextField(blank=True, help_text="what it says of training material and persons")
    curator = models.CharField(max_length=150)
    second_reader = models.CharField(max_length=150, blank=True)
    second_read = models.DateTimeField(null=True, blank=True)
    withdrawn = models.DateTimeField(null=True, blank=True)
    withdrawal = models.ForeignKey(
        Snapshot, on_delete=models.PROTECT, null=True, blank=True, related_name="withdrawals"
    )
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["received", "id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(message__isnull=False) | models.Q(picture__isnull=False),
                name="answer_has_message",
            ),
            models.CheckConstraint(
                condition=models.Q(identity__in=Identity.values), name="answer_identity_known"
            ),
        ]

    def __str__(self) -> str:
        return f"answer {self.pk} to question {self.question_id}"
