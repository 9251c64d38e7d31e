"""Sheet and Cell: the standardized comparison sheet of a version, and the pictures it is made of."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registry.models import BaseModel, Blob, Version


class SheetState(models.TextChoices):
    """How far a sheet is. `refused` = the engine will not render this file on this base, and says why."""

    WAITING = "waiting", _("Waiting")
    RENDERING = "rendering", _("Rendering")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    REFUSED = "refused", _("Not renderable")


class Cell(models.Model):
    """One picture, addressed by everything that determines it. Base cells are shared by all adapters.

    `key` is the SHA256 of the canonical JSON in `inputs` (base, adapter blob and weight or null, recipe,
    prompt, seed, batch layout, dtype, engine edition, device class).
    """

    key = models.CharField(max_length=64, primary_key=True)
    inputs = models.JSONField()
    image = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    facts = models.JSONField(
        default=dict, blank=True, help_text="what the engine saw: finite, deviation, digest"
    )
    seconds = models.FloatField(default=0)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(key__regex=r"^[0-9a-f]{64}$"), name="cell_key_hex")
        ]

    def __str__(self) -> str:
        return self.key[:12]


class Sheet(models.Model):
    """One recipe rendered for one blob of a version on one base."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="sheets")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="sheets")
    base = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="sheets")
    base_digest = models.CharField(max_length=64, blank=True, help_text="digest of the base's weight files")
    recipe = models.CharField(max_length=60)
    recipe_digest = models.CharField(max_length=64)
    others = models.CharField(
        max_length=64, blank=True, default="", help_text="digest over the other adapters of a stack"
    )
    state = models.CharField(max_length=10, choices=SheetState.choices, default=SheetState.WAITING)
    code = models.CharField(max_length=60, blank=True, help_text="why it failed or was refused")
    message = models.TextField(blank=True)
    plan = models.JSONField(default=dict, blank=True, help_text="rows and columns as they were planned")
    manifest = models.JSONField(default=dict, blank=True)
    metrics = models.JSONField(default=dict, blank=True)
    findings = models.JSONField(default=list, blank=True)
    fallbacks = models.JSONField(
        default=list, blank=True, help_text="what was done when memory did not suffice, step by step"
    )
    reproduction = models.JSONField(
        default=dict, blank=True, help_text="how its pictures compared when they were last rendered again"
    )
    image = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    cells_total = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    created = models.DateTimeField(default=timezone.now, editable=False)
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "blob", "base", "recipe_digest", "others"],
                name="sheet_once_per_recipe_and_base",
            ),
            models.CheckConstraint(condition=models.Q(state__in=SheetState.values), name="sheet_state_known"),
            models.CheckConstraint(
                condition=~models.Q(state=SheetState.DONE) | models.Q(image__isnull=False),
                name="sheet_done_has_image",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.recipe} sheet of version {self.version_id}"

    @property
    def is_over(self) -> bool:
        """Done, failed or refused: nothing more will happen unless it is planned anew."""
        return self.state in {SheetState.DONE, SheetState.FAILED, SheetState.REFUSED}


class SheetAdapter(models.Model):
    """One of the adapters of a sheet that shows several: its own is slot 0, the earlier version or the others
    of a stack follow.
    """

    sheet = models.ForeignKey(Sheet, on_delete=models.CASCADE, related_name="adapters")
    slot = models.PositiveSmallIntegerField()
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=40, blank=True, help_text="what it is for: character, style ...")

    class Meta:
        ordering = ["sheet", "slot"]
        constraints = [models.UniqueConstraint(fields=["sheet", "slot"], name="sheet_adapter_slot_unique")]

    def __str__(self) -> str:
        return f"slot {self.slot}: {self.version}"


class HouseRecipe(models.Model):
    """A recipe made here, in one of its versions: an edit makes a new row, so that sheets keep theirs.

    `spec` is the whole recipe as `Recipe.as_dict` gives it, `digest` the SHA256 of its canonical JSON.
    """

    name = models.SlugField(max_length=40)
    version = models.PositiveIntegerField()
    family = models.CharField(max_length=40)
    description = models.CharField(max_length=300, blank=True)
    spec = models.JSONField()
    digest = models.CharField(max_length=64, unique=True, editable=False)
    retired = models.BooleanField(default=False, help_text="no new sheets are made with it")
    created = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, editable=False
    )

    class Meta:
        ordering = ["name", "family", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["name", "family", "version"], name="house_recipe_version_unique"),
            models.CheckConstraint(
                condition=models.Q(digest__regex=r"^[0-9a-f]{64}$"), name="house_recipe_digest_hex"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.family})"


class SheetCell(models.Model):
    """The place of a cell on a sheet: `row` counts prompt x seed, `column` counts base and weights.

    `role` is base, control (weight 0 after restore) or adapter; `metrics` compare it with its base twin.
    """

    sheet = models.ForeignKey(Sheet, on_delete=models.CASCADE, related_name="places")
    cell = models.ForeignKey(Cell, on_delete=models.PROTECT, related_name="places")
    row = models.PositiveIntegerField()
    column = models.PositiveIntegerField()
    role = models.CharField(max_length=10)
    metrics = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["row", "column"]
        constraints = [
            models.UniqueConstraint(fields=["sheet", "row", "column"], name="sheet_place_unique"),
            models.CheckConstraint(
                condition=models.Q(role__in=["base", "control", "adapter"]), name="sheet_cell_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"row {self.row} column {self.column}"
