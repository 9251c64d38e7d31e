"""Admin of house recipes: what is written once stays, an edit makes the next version."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from inference.house_recipes import problem_of, save_house_recipe
from inference.models import HouseRecipe
from inference.recipes import FAMILIES, Layout, Recipe, recipe_from_dict

_SIMPLE = ("steps", "cfg", "width", "height", "sampler", "negative", "clip_skip", "true_cfg")
_SAMPLERS = ("dpmpp_2m_karras", "dpmpp_sde_karras", "euler_a", "euler_flow")


class HouseRecipeForm(forms.ModelForm):  # type: ignore[type-arg]
    """A recipe in fields, one prompt a line; behind a bar stands the subject that trigger words replace."""

    name = forms.SlugField(label=_("name"), max_length=40)
    family = forms.ChoiceField(label=_("family"), choices=[(name, name) for name in FAMILIES])
    layout = forms.ChoiceField(label=_("layout"), choices=[(str(each), str(each)) for each in Layout])
    prompts = forms.CharField(
        label=_("prompts"),
        widget=forms.Textarea(attrs={"rows": 6, "cols": 80}),
        help_text=_("One a line. “{subject} on a hill | a cat” takes the trigger words."),
    )
    seeds = forms.CharField(label=_("seeds"), initial="11, 23", help_text=_("separated by commas"))
    weights = forms.CharField(label=_("weights"), initial="0.4, 0.6, 0.8, 1")
    batch_prompts = forms.IntegerField(label=_("prompts in a batch"), min_value=1, max_value=16, initial=2)
    axes = forms.JSONField(
        label=_("axes"), required=False, initial=list,
        help_text=_("for the layout axes, e.g. [{\"field\": \"cfg\", \"values\": [4, 10]}]"),
    )  # fmt: skip
    hires = forms.JSONField(
        label=_("second pass"), required=False, help_text='{"scale": 1.5, "steps": 28, "strength": 0.5}'
    )
    steps = forms.IntegerField(label=_("steps"), min_value=1, initial=28)
    cfg = forms.FloatField(label=_("guidance"), min_value=0, max_value=50, initial=7)
    width = forms.IntegerField(label=_("width"), min_value=8, initial=512)
    height = forms.IntegerField(label=_("height"), min_value=8, initial=512)
    sampler = forms.ChoiceField(label=_("sampler"), choices=[(name, name) for name in _SAMPLERS])
    negative = forms.CharField(label=_("negative prompt"), required=False, max_length=2000, strip=True)
    clip_skip = forms.IntegerField(label=_("clip skip"), min_value=1, max_value=12, initial=1)
    true_cfg = forms.FloatField(
        label=_("true guidance"), min_value=1, max_value=50, initial=1,
        help_text=_("above 1 for a negative prompt where the guidance is distilled into the model (FLUX.1)"),
    )  # fmt: skip

    class Meta:
        model = HouseRecipe
        fields = ("name", "family", "description", "retired")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial.update(_fields(recipe_from_dict(self.instance.spec)))
            for name in ("name", "family"):
                self.fields[name].disabled = True

    def clean(self) -> dict[str, Any]:
        """The fields together as a recipe. What does not fit together is said above the form."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            self.values = _values(cleaned)
            problem = problem_of(recipe_from_dict({**self.values, "version": 1}))
        except (ValueError, TypeError, KeyError) as error:
            raise ValidationError(str(error)) from None
        if problem:
            raise ValidationError(problem)
        return cleaned


@admin.register(HouseRecipe)
class HouseRecipeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows stay as they are: saving writes the next version, deleting is done by retiring."""

    form = HouseRecipeForm
    list_display = ["name", "family", "version", "digest", "retired", "created", "created_by"]
    list_filter = ["family", "retired"]
    search_fields = ["name", "description"]

    def save_model(self, request: HttpRequest, obj: HouseRecipe, form: Any, change: bool) -> None:
        """The next version of the recipe; nothing but the description and `retired` is ever changed."""
        cleaned = form.cleaned_data
        user = request.user if request.user.is_authenticated else None
        saved = save_house_recipe(form.values, description=cleaned["description"], user=user)
        if cleaned["retired"]:
            HouseRecipe.objects.filter(pk=saved.pk).update(retired=True)
        # The admin goes on with this object: it stands for the version that was written.
        obj.pk, obj.version, obj.spec, obj.digest = saved.pk, saved.version, saved.spec, saved.digest

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def _values(cleaned: dict[str, Any]) -> dict[str, Any]:
    """`Recipe.as_dict` of the form's fields, without a version. Raises ValueError and the like."""
    values = {name: cleaned[name] for name in ("name", "family", "layout", "batch_prompts", *_SIMPLE)}
    return values | {
        "prompts": [_prompt(line) for line in cleaned["prompts"].splitlines() if line.strip()],
        "seeds": [int(part) for part in cleaned["seeds"].split(",") if part.strip()],
        "weights": [float(part) for part in cleaned["weights"].split(",") if part.strip()],
        "axes": cleaned["axes"] or [],
        "hires": cleaned["hires"] or None,
    }


def _prompt(line: str) -> dict[str, Any]:
    template, _bar, subject = (part.strip() for part in line.partition("|"))
    return {"template": template, "subject": subject, "takes_trigger": bool(subject)}


def _fields(recipe: Recipe) -> dict[str, Any]:
    """The form's fields of a recipe."""
    values = {**recipe.as_dict(), "clip_skip": recipe.clip_skip, "true_cfg": recipe.true_cfg}
    fields = {name: values[name] for name in ("batch_prompts", *_SIMPLE)}
    lines = [" | ".join(filter(None, (prompt.template, prompt.subject))) for prompt in recipe.prompts]
    return fields | {
        "layout": str(recipe.layout),
        "prompts": "\n".join(lines),
        "seeds": ", ".join(map(str, recipe.seeds)),
        "weights": ", ".join(f"{weight:g}" for weight in recipe.weights),
        "axes": values.get("axes", []),
        # The form field writes JSON by itself; nothing is an empty field.
        "hires": json.loads(json.dumps(values.get("hires"))),
    }
