"""BaseModel: the tree family -> checkpoint, with the names upstreams use for each and its license."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class Precision(models.TextChoices):
    """What a base's weights are computed in."""

    FLOAT32 = "float32", "float32"
    BFLOAT16 = "bfloat16", "bfloat16"
    FLOAT16 = "float16", "float16"


class Prediction(models.TextChoices):
    """What a denoiser was trained to predict, where its files do not say it or say it wrongly."""

    EPSILON = "epsilon", _("noise (epsilon)")
    VELOCITY = "v_prediction", _("velocity (v-prediction)")
    VELOCITY_ZERO_SNR = "v_prediction_zero_snr", _("velocity, zero terminal SNR")


class BaseModel(models.Model):
    """A base model family (`parent` is null) or a checkpoint of one.

    `family` is one of the ids of the inspect contract (sd1, sdxl, flux1, toybox ...).
    """

    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    slug = models.SlugField(max_length=100, unique=True)
    name = models.CharField(max_length=200)
    family = models.CharField(max_length=40)
    license = models.ForeignKey(
        "registry.License", on_delete=models.PROTECT, null=True, blank=True, related_name="base_models"
    )
    weights = models.CharField(
        max_length=500,
        blank=True,
        help_text=(
            "local diffusers folder, or single safetensors checkpoint, a worker renders with; "
            "empty = not renderable"
        ),
    )
    weights_layout = models.CharField(
        max_length=500,
        blank=True,
        help_text=(
            "local diffusers folder that a single checkpoint takes configurations, tokenizers and parts it "
            "lacks from; empty = that of the parent"
        ),
    )
    weights_prediction = models.CharField(
        max_length=24,
        blank=True,
        choices=Prediction.choices,
        help_text="what the denoiser predicts; empty = as the weights say",
    )
    weights_revision = models.CharField(
        max_length=64, blank=True, help_text="commit of the Hub's repository that the weights are from"
    )
    weights_dtype = models.CharField(
        max_length=8,
        blank=True,
        choices=Precision.choices,
        help_text="precision to render in; empty = bfloat16 on an accelerator, float32 on a processor",
    )
    vae = models.CharField(
        max_length=500,
        blank=True,
        help_text=(
            "local folder, or file, of a VAE that takes the place of the one in the weights; "
            "empty = their own"
        ),
    )

    class Meta:
        ordering = ["name", "id"]
        indexes = [models.Index(fields=["family"], name="base_model_family")]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(parent=models.F("id")), name="base_model_not_own_parent"
            ),
            models.CheckConstraint(condition=~models.Q(family=""), name="base_model_has_family"),
            models.CheckConstraint(
                condition=models.Q(weights_dtype__in=["", *Precision.values]), name="base_model_dtype_known"
            ),
            models.CheckConstraint(
                condition=models.Q(weights_prediction__in=["", *Prediction.values]),
                name="base_model_prediction_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """A base must not be among its own ancestors. Raises ValidationError."""
        above, met = self.parent, {self.pk}
        while above is not None:
            if above.pk in met:
                raise ValidationError({"parent": _("This would make the base model its own ancestor.")})
            met.add(above.pk)
            above = above.parent


class AliasHost(models.TextChoices):
    """Who uses the name."""

    CIVITAI = "civitai", _("Civitai")
    HUGGINGFACE = "huggingface", _("Hugging Face Hub")
    METADATA = "metadata", _("Training metadata")


class BaseModelAlias(models.Model):
    """A name or id an upstream uses for a base model; matched without regard to case."""

    base_model = models.ForeignKey(BaseModel, on_delete=models.CASCADE, related_name="aliases")
    host = models.CharField(max_length=16, choices=AliasHost.choices)
    name = models.CharField(max_length=200)

    class Meta:
        ordering = ["host", "name"]
        constraints = [
            models.UniqueConstraint(models.F("host"), Lower("name"), name="alias_host_name_unique"),
            models.CheckConstraint(condition=models.Q(host__in=AliasHost.values), name="alias_host_known"),
        ]

    def __str__(self) -> str:
        return f"{self.host}: {self.name}"
