"""What a sheet shows: the version's own adapter, and the earlier version or the others of a stack."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from inference.errors import NoAdapterFile, RecipeDoesNotFit
from inference.prompt_words import cut
from inference.recipes import Layout, Recipe, SheetPlan, Shown, Trigger, digest
from registry.checks import latest_inspection
from registry.errors import VersionNotFound
from registry.main_files import MEASURABLE
from registry.models import File, Sample, Version

_SERIES = re.compile(r"<s\d+>")
# Categories that mean: the trigger words name what is in the picture, and so stand for its subject.
_SUBJECT_TAGS = frozenset({"character", "celebrity", "person", "animal", "vehicle", "objects"})
# What an adapter does in a stack, by the tag that tells it; the first that is there counts.
_ROLES = (
    ("character", "character"), ("celebrity", "character"), ("person", "character"), ("style", "style"),
    ("clothing", "clothing"), ("poses", "pose"), ("pose", "pose"), ("background", "background"),
    ("action", "pose"), ("concept", "concept"), ("tool", "tool"),
)  # fmt: skip
_LONGEST_NEGATIVE = 2000
MOST_WEIGHT = 2.0
_OTHER = re.compile(r"([0-9]{1,18})(?::([^:]{0,40})(?::([0-9]{1,2}(?:\.[0-9]{1,4})?))?)?")


@dataclass(frozen=True, slots=True)
class Other:
    """Another version on the sheet. "" and 0 leave role and weight to what is known of it."""

    version: Version
    role: str = ""
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Content:
    """The plan of a sheet with what it shows, in the order of the slots: (version, its file, role)."""

    plan: SheetPlan
    files: tuple[tuple[Version, File, str], ...]

    @property
    def others(self) -> str:
        """A digest over the other adapters, "" where there are none: a stack is another with another one."""
        rest = self.plan.adapters[1:]
        return digest([[each.sha256, each.role, each.weight] for each in rest]) if rest else ""


def content_of(version: Version, recipe: Recipe, others: Sequence[Other] = ()) -> Content:
    """What the recipe shows of a version, with these others where it shows several.

    The recipe `version` takes the version before this one when none is named. Raises NoAdapterFile, and
    RecipeDoesNotFit where the recipe asks for something that the version does not have.
    """
    least, most = recipe.adapters
    if recipe.layout is Layout.VERSION and not others:
        others = [Other(_earlier(version))]
    every = [Other(version), *others]
    if not least <= len(every) <= most:
        wanted = str(least) if least == most else f"{least} or {most}"
        raise RecipeDoesNotFit(f"The recipe {recipe.name} shows {wanted} adapters together.")
    if len({each.version.pk for each in every}) != len(every):
        raise RecipeDoesNotFit("A sheet shows a version once.")
    files = [renderable_file(each.version) for each in every]
    shown = tuple(_shown(recipe, each, file) for each, file in zip(every, files, strict=True))
    if recipe.layout is Layout.LADDER or (recipe.layout is Layout.AXES and not recipe.wants_authors_negative):
        # Nothing beside the file counts, so that nothing else makes the plan another one.
        plan = SheetPlan(recipe, trigger_of(version, learned_words(files[0])))
    else:
        stacked = recipe.layout is Layout.STACK
        trigger = combined([each.trigger for each in shown]) if stacked else shown[0].trigger
        plan = SheetPlan(recipe, trigger, shown)
    try:
        assert plan.columns
    except ValueError as error:
        raise RecipeDoesNotFit(str(error)) from None
    rows = zip(every, files, shown, strict=True)
    return Content(plan, tuple((each.version, file, told.role) for each, file, told in rows))


def find_version(pk: int) -> Version:
    """The version of this id. Raises VersionNotFound."""
    found = Version.objects.select_related("adapter").filter(pk=pk).first()
    if found is None:
        raise VersionNotFound(f"There is no version {pk}.")
    return found


def read_others(text: str) -> list[Other]:
    """Others as people write them: VERSION[:ROLE[:WEIGHT]], separated by commas.

    Raises RecipeDoesNotFit for anything else, and VersionNotFound.
    """
    return [_read_other(part) for part in text.split(",") if part.strip()]


def _read_other(text: str) -> Other:
    found = _OTHER.fullmatch(text.strip())
    weight = float(found[3] or 0) if found else 0.0
    if found is None or weight > MOST_WEIGHT:
        raise RecipeDoesNotFit(
            f"{text.strip()[:80]!r} is not VERSION[:ROLE[:WEIGHT]] with a weight up to {MOST_WEIGHT:g}."
        )
    return Other(find_version(int(found[1])), (found[2] or "").strip(), weight)


def renderable_file(version: Version) -> File:
    """The adapter file that a sheet shows: the first stored safetensors file. Raises NoAdapterFile."""
    files = version.files.filter(MEASURABLE).select_related("blob")
    adapter = files.filter(blob__inspections__kind="adapter").first()
    found = adapter or files.first()
    if found is None:
        raise NoAdapterFile(f"Version {version.pk} has no stored safetensors file.")
    return found


def learned_words(file: File) -> list[str]:
    """The words whose vectors the file brings, in its order."""
    inspection = latest_inspection(file.blob_id)
    told = inspection.data.get("trigger_words") if inspection is not None else None
    return [each["word"] for each in told or () if each["source"] == "learned_token"]


def trigger_of(version: Version, learned: Sequence[str] = ()) -> Trigger:
    """The first of the version's trigger words, and whether they name the subject (told by the adapter's
    tags).

    Without a word `learned` with it an adapter is not what was trained, so one goes along where none is
    among the words: all of a series (`<s1><s2>`, which pivotal tuning uses together), else the first.
    """
    words = version.trigger_words[0] if version.trigger_words else ""
    if all(number is None for _, number in cut(words, learned)):
        series = "".join(word for word in learned if _SERIES.fullmatch(word))
        words = ", ".join(filter(None, [words, series or "".join(learned[:1])]))
    tags = {tag.casefold() for tag in version.adapter.tags}
    return Trigger(words, names_subject=bool(tags & _SUBJECT_TAGS))


def combined(triggers: Sequence[Trigger]) -> Trigger:
    """All words of a stack: the names take the subject's place together, the others go before the prompt."""
    called = [trigger for trigger in triggers if trigger.words.strip(" ,")]
    names = [trigger.words.strip(" ,") for trigger in called if trigger.names_subject]
    before = ", ".join(trigger.words.strip(" ,") for trigger in called if not trigger.names_subject)
    return Trigger(" and ".join(names), True, before) if names else Trigger(before)


def role_of(version: Version) -> str:
    """What the adapter does, by its tags; "" where they do not tell."""
    tags = {tag.casefold() for tag in version.adapter.tags}
    return next((role for tag, role in _ROLES if tag in tags), "")


def negative_of(version: Version) -> str:
    """The negative prompt that most of the author's pictures were made with; "" where none is told."""
    told = Sample.objects.filter(version=version).values_list("parameters__negativePrompt", flat=True)
    texts = Counter(" ".join(text.split()) for text in told[:200] if isinstance(text, str) and text.strip())
    return texts.most_common(1)[0][0][:_LONGEST_NEGATIVE] if texts else ""


def _shown(recipe: Recipe, other: Other, file: File) -> Shown:
    version, stacked = other.version, recipe.layout is Layout.STACK
    blocks: tuple[str, ...] = ()
    if recipe.layout is Layout.BLOCKS:
        inspection = latest_inspection(file.blob_id)
        blocks = tuple(inspection.data.get("blocks") or ()) if inspection is not None else ()
    return Shown(
        sha256=file.blob_id,
        label=version.adapter.name if stacked else version.name,
        role=(other.role or role_of(version)) if stacked else "",
        weight=(other.weight or _usual_weight(version)) if stacked else 0.0,
        trigger=trigger_of(version, learned_words(file)),
        negative=negative_of(version) if recipe.wants_authors_negative else "",
        blocks=blocks,
    )


def _usual_weight(version: Version) -> float:
    """The weight that the author recommends for use, 0 where none is told."""
    told = version.settings.get("weight") if isinstance(version.settings, dict) else None
    value = told.get("default") if isinstance(told, dict) else None
    return float(value) if isinstance(value, int | float) and 0 < value <= MOST_WEIGHT else 0.0


def _earlier(version: Version) -> Version:
    """The newest version of the adapter from before this one that has a file to render."""
    before = Version.objects.filter(adapter=version.adapter_id, pk__lt=version.pk).select_related("adapter")
    for candidate in before.order_by("-pk")[:20]:
        if candidate.files.filter(MEASURABLE).exists():
            return candidate
    raise RecipeDoesNotFit("There is no earlier version with a stored file to compare with.")
