"""The JSON shape of a question, read into a `Question`: strict about types, tolerant of unknown keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final, cast, get_args

from registry.licensing.civitai import FLAGS, CivitaiFlags, parse_flags
from registry.licensing.conditions import parse_condition
from registry.licensing.errors import BadQuestion, ContradictoryTerms, UnknownAct, not_one_of
from registry.licensing.layer import read_cell
from registry.licensing.question import (
    RIGHTS_KINDS,
    AdapterTerms,
    AuthorReply,
    BaseConflict,
    CellTerms,
    Component,
    Overlay,
    OverlayKind,
    Question,
    Rights,
)
from registry.licensing.replies import RecordedReply
from registry.licensing.vocabulary import ACTS

_QUESTION: Final = frozenset(
    {
        "id",
        "act",
        "base_model",
        "base_license",
        "adapters",
        "components",
        "overlays",
        "tools",
        "base_conflict",
        "facts",
    }
)
# These repeat the first adapter for readers of the file; only `adapters` counts.
_REPEATED: Final = frozenset({"adapter_license", "civitai_flags"})
_ADAPTER: Final = frozenset(
    {"license", "civitai", "name", "extra", "author_reply", "license_now", "snapshot", "rights", "evidence"}
)
_REPLY: Final = frozenset(
    {"state", "grants", "refusals", "conditions", "evidence", "asked", "expires", "territories", "media"}
)
_STATES: Final = ("drafted", "sent", "reminded", "answered", "no_reply", "withdrawn")


class _Object:
    """One JSON object with a place in the question; keys are known in the wire's and in American spelling."""

    def __init__(self, value: object, where: str, known: Iterable[str], ignored: list[str]) -> None:
        if not isinstance(value, Mapping):
            raise BadQuestion(f"{where} must be an object, got {type(value).__name__}.")
        self.where = where
        self.values: dict[str, Any] = {}
        prefix = "" if where == "the question" else f"{where}."
        for key, item in value.items():
            name = key.replace("licence", "license")
            if name not in known:
                ignored.append(prefix + key)
            elif name in self.values and self.values[name] != item:
                raise ContradictoryTerms(f"{where} states {name} in two spellings, with different values.")
            else:
                self.values[name] = item

    def text(self, key: str) -> str | None:
        value = self.values.get(key)
        if value is None or isinstance(value, str):
            return value
        raise BadQuestion(f"{self.where}: {key} must be a text or null, got {type(value).__name__}.")

    def objects(self, key: str) -> Sequence[Any]:
        value = self.values.get(key)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        raise BadQuestion(f"{self.where}: {key} must be a list, got {type(value).__name__}.")

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.objects(key)
        if all(isinstance(value, str) for value in values):
            return tuple(values)
        raise BadQuestion(f"{self.where}: {key} must be a list of texts.")


def question_from_wire(value: object, today: date | None = None) -> Question:
    """Read one question as contracts spell it (`base_licence`, `adapters`, `facts`).

    Keys that are not known are listed in `ignored`. Raises a `LicensingError` for a missing act, a wrong
    type or contradictory spellings; ids and facts are checked by `decide`.
    """
    ignored: list[str] = []
    item = _Object(value, "the question", _QUESTION | _REPEATED, ignored)
    act = item.values.get("act")
    if not isinstance(act, str):
        said = "names no act" if act is None else f"gives {act!r} as its act"
        raise UnknownAct(f"The question {said}. Known: {', '.join(ACTS)}.")
    if "adapters" not in item.values:
        raise BadQuestion(
            "adapters is missing: a list with the terms of every adapter, [] for the base alone."
        )
    adapters = [_adapter(row, number, ignored) for number, row in enumerate(item.objects("adapters"))]
    if not adapters and any(item.values.get(key) is not None for key in _REPEATED):
        raise ContradictoryTerms("adapters is empty, yet adapter terms are stated beside it.")
    facts = item.values.get("facts")
    if facts is not None and not isinstance(facts, Mapping):
        raise BadQuestion(f"facts must be an object, got {type(facts).__name__}.")
    return Question(
        act=act,
        base_license=item.text("base_license"),
        base_model=item.text("base_model"),
        adapters=adapters,
        components=[
            _component(row, number, ignored) for number, row in enumerate(item.objects("components"))
        ],
        overlays=[_overlay(row, number, ignored) for number, row in enumerate(item.objects("overlays"))],
        tools=item.texts("tools"),
        base_conflict=_conflict(item.values.get("base_conflict"), ignored),
        facts=facts or {},
        today=today,
        id=item.values.get("id"),
        ignored=tuple(ignored),
    )


def _adapter(value: object, number: int, ignored: list[str]) -> AdapterTerms:
    where = f"adapters[{number}]"
    item = _Object(value, where, _ADAPTER, ignored)
    civitai = item.values.get("civitai")
    if civitai is not None:
        # Read here once for its types, so that a bad flag is an error even on acts no flag speaks on.
        _flags(_Object(civitai, f"{where}.civitai", FLAGS, ignored))
    snapshot = item.values.get("snapshot")
    if snapshot is not None and not isinstance(snapshot, bool):
        raise BadQuestion(f"{where}: snapshot must be true or false.")
    extra = item.values.get("extra")
    readings = [extra] if isinstance(extra, Mapping) else item.objects("extra")
    return AdapterTerms(
        license=item.text("license"),
        civitai=civitai,
        name=item.text("name") or "",
        extra=[_cells(row, f"{where}.extra[{place}]") for place, row in enumerate(readings)],
        author_reply=_reply(item.values.get("author_reply"), f"{where}.author_reply", ignored),
        license_now=item.text("license_now"),
        snapshot=bool(snapshot),
        rights=_rights(item.values.get("rights"), where),
        evidence=item.text("evidence") or "",
    )


def _rights(value: object, where: str) -> Rights | dict[str, Rights] | None:
    """One state for all rights in the material, or one for each kind that was looked at."""
    if isinstance(value, Mapping):
        for kind in value:
            if kind not in RIGHTS_KINDS:
                raise BadQuestion(f"{where}: there is no right {kind!r}. {not_one_of(kind, RIGHTS_KINDS)}")
        return {kind: _state_of_rights(state, where) for kind, state in value.items() if state is not None}
    return None if value is None else _state_of_rights(value, where)


def _state_of_rights(value: object, where: str) -> Rights:
    if value not in get_args(Rights):
        raise BadQuestion(
            f"{where}: there is no rights state {value!r}. {not_one_of(value, get_args(Rights))}"
        )
    return cast("Rights", value)


def _flags(item: _Object) -> CivitaiFlags:
    return parse_flags(item.values)


def _reply(value: object, where: str, ignored: list[str]) -> AuthorReply | None:
    if value is None:
        return None
    item = _Object(value, where, _REPLY, ignored)
    state = item.text("state") or "answered"
    if state not in _STATES:
        raise BadQuestion(f"{where}: there is no state {state!r}. {not_one_of(state, _STATES)}")
    grants, refusals = item.texts("grants"), item.texts("refusals")
    for act in (*grants, *refusals):
        _known_act(act, where)
    conditions = item.texts("conditions")
    for text in conditions:
        parse_condition(text)
    expires = item.text("expires")
    try:
        until = None if expires is None else date.fromisoformat(expires[:10])
    except ValueError as error:
        raise BadQuestion(f"{where}: expires must be a date (YYYY-MM-DD), got {expires!r}.") from error
    limits = RecordedReply.checked(territories=item.texts("territories"), media=item.texts("media"))
    return AuthorReply(
        grants=grants,
        refusals=refusals,
        conditions=conditions,
        state=state,
        evidence=item.text("evidence") or "",
        expires=until,
        territories=limits.territories,
        media=limits.media,
    )


def _component(value: object, number: int, ignored: list[str]) -> Component | str:
    where = f"components[{number}]"
    if isinstance(value, str):
        return value
    item = _Object({} if value is None else value, where, {"license", "name", "unknown_recipe"}, ignored)
    unknown = item.values.get("unknown_recipe")
    if unknown is not None and not isinstance(unknown, bool):
        raise BadQuestion(f"{where}: unknown_recipe must be true or false.")
    if unknown and item.text("license") is not None:
        raise ContradictoryTerms(f"{where} states a license for a part whose recipe is unknown.")
    return Component(license=item.text("license"), name=item.text("name") or "", unknown_recipe=bool(unknown))


def _overlay(value: object, number: int, ignored: list[str]) -> Overlay:
    where = f"overlays[{number}]"
    item = _Object(value, where, {"name", "acts", "kind", "clause", "source", "disputed"}, ignored)
    kind = item.text("kind") or "overlay"
    if kind not in get_args(OverlayKind):
        raise BadQuestion(f"{where}: there is no kind {kind!r}. {not_one_of(kind, get_args(OverlayKind))}")
    disputed = item.values.get("disputed")
    return Overlay(
        name=item.text("name") or str(number + 1),
        acts=_cells(_acts(item), f"{where}.acts"),
        disputed=None if disputed is None else _terms(disputed, f"{where}.disputed"),
        kind=cast("OverlayKind", kind),
        clause=item.text("clause"),
        source=item.text("source") or "",
    )


def _acts(item: _Object) -> object:
    """A rule that speaks on disputed clauses only needs no acts."""
    given = item.values.get("acts")
    return {} if given is None and item.values.get("disputed") is not None else given


def _conflict(value: object, ignored: list[str]) -> BaseConflict | None:
    if value is None or value is False:
        return None
    if value is True:
        return BaseConflict()
    item = _Object(value, "base_conflict", {"declared", "detected", "by"}, ignored)
    return BaseConflict(item.text("declared") or "", item.text("detected") or "", item.text("by") or "")


def _cells(value: object, where: str) -> dict[str, CellTerms]:
    if not isinstance(value, Mapping):
        raise BadQuestion(f"{where} must be an object of acts, each with [status, [conditions]].")
    cells: dict[str, CellTerms] = {}
    for act, cell in value.items():
        _known_act(act, where)
        cells[act] = _terms(cell, f"{where}.{act}")
    return cells


def _terms(cell: object, where: str) -> CellTerms:
    match cell:
        case [str() as status, list() as conditions] if all(isinstance(text, str) for text in conditions):
            pass
        case [str() as status] | (str() as status):
            conditions = []
        case _:
            raise BadQuestion(f"{where} must be [status, [conditions]], got {cell!r}.")
    # Read here for its words, so that a bad one is an error even where the act asked about is another.
    read_cell((status, conditions), where)
    return status, conditions


def _known_act(act: object, where: str) -> None:
    if act not in ACTS:
        raise UnknownAct(f"{where}: there is no act {act!r}. {not_one_of(act, ACTS)}")
