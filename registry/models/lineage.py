"""Sketch and Kinship: what an adapter's weights look like from far, and which blobs share theirs."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models.files import Blob


class Sketch(models.Model):
    """The lineage sketch of one blob, in one edition of `registry.weights.sketch`.

    `family` is the partition it is searched in: the detected family, a sub-family under its parent's name.
    """

    blob = models.OneToOneField(Blob, on_delete=models.CASCADE, related_name="sketch")
    edition = models.CharField(max_length=20, help_text="edition of the sketch")
    family = models.CharField(max_length=40, default="unknown")
    data = models.BinaryField(help_text="registry.weights.sketch.Sketch.to_bytes")
    signature = models.BinaryField(help_text="512 numbers as int8: the first stage of a search")
    norm = models.FloatField(help_text="Frobenius norm of the whole change, estimated")
    modules = models.PositiveIntegerField(help_text="layers in the sketch")
    skipped = models.PositiveIntegerField(default=0, help_text="modules that could not be sketched")
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["family", "edition", "id"], name="sketch_partition")]

    def __str__(self) -> str:
        return f"sketch of {self.blob_id[:12]}"


class Relation(models.TextChoices):
    """How the weights of two blobs are related, the closest first."""

    SAME_WEIGHTS = "same_weights", _("Same weights")
    RE_UPLOAD = "re_upload", _("Re-upload")
    RESIZED = "resized", _("Resized")
    PART_OF = "part_of", _("Merged from, or into")
    SIMILAR = "similar", _("Similar")


class Kinship(models.Model):
    """`other` as seen from `blob`; every pair has two rows.

    `share`: how much of the energy of `blob`'s change `other` explains, beside its other kin.
    """

    blob = models.ForeignKey(Blob, on_delete=models.CASCADE, related_name="kinships")
    other = models.ForeignKey(Blob, on_delete=models.CASCADE, related_name="+")
    relation = models.CharField(max_length=16, choices=Relation.choices)
    cosine = models.FloatField()
    share = models.FloatField()
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-cosine", "id"]
        constraints = [
            models.UniqueConstraint(fields=["blob", "other"], name="kinship_once_per_pair"),
            models.CheckConstraint(
                condition=models.Q(relation__in=Relation.values), name="kinship_relation_known"
            ),
            models.CheckConstraint(condition=~models.Q(blob=models.F("other")), name="kinship_of_two"),
        ]

    def __str__(self) -> str:
        return f"{self.blob_id[:12]} {self.relation} {self.other_id[:12]}"
