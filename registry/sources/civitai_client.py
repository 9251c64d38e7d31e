"""Lists of Civitai page by page: of a creator, a tag, a search, a collection of ids, or the whole catalog."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from registry.messages import gettext_noop
from registry.models import Source, SubscriptionKind
from registry.sources import civitai_calls as calls
from registry.sources.civitai_calls import ModelPage, Told
from registry.sources.civitai_listing import ADAPTER_TYPES, fingerprint, is_adapter, list_model
from registry.sources.civitai_urls import creator_of, parse_reference, tag_of
from registry.sources.errors import ReferenceUnclear, SourceNotSupported
from registry.sources.listing import Listing
from registry.sources.pages import Page, Unread
from registry.sources.text import identifier
from registry.sources.upstream_errors import NotFoundUpstream, UnexpectedAnswer, UpstreamError
from registry.sources.walk import Failure

KINDS = frozenset(
    str(kind)
    for kind in (
        SubscriptionKind.ADAPTER,
        SubscriptionKind.CREATOR,
        SubscriptionKind.TAG,
        SubscriptionKind.QUERY,
        SubscriptionKind.COLLECTION,
        SubscriptionKind.CATALOG,
    )
)
# Models that a list skipped are asked for together, at the latest with so many.
_MOST_SKIPPED = 50
_TYPES = {"types": list(ADAPTER_TYPES)}


class SelectionIgnored(UnexpectedAnswer):
    """The upstream answered with everything instead of what was asked for; nothing of it was taken."""

    code = "selection_ignored"
    permanent = True
    next_step = gettext_noop("Check the name: an unknown tag gives Civitai's whole catalog.")


@dataclass(slots=True)
class _Place:
    """Where a walk is: the upstream's cursor, ids it skipped so far, ids of the page before.

    `at` counts the ids asked for of a collection; `ended`: only the skipped ones are left. `opaque`: a cursor
    did not tell which row it may skip; `again`: the list is being read a second time for that reason.
    """

    cursor: str | None = None
    skipped: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    at: int = 0
    ended: bool = False
    opaque: bool = False
    again: bool = False

    def write(self) -> str:
        return json.dumps({key: value for key, value in asdict(self).items() if value}, separators=(",", ":"))


def pages(kind: str, target: str, cursor: str | None = None) -> Iterator[Page]:
    """The adapters of a creator, a tag, a search, a collection (ids or addresses), or all, page by page.

    As registry.sources.pages.Pages says. Items that do not carry the tag, are not the creator's or are no
    adapters are left out with a note; a page without a single match ends the list with SelectionIgnored among
    its failures, because Civitai answers to an unknown tag with everything. Models that the cursor skipped
    are asked for by their ids. Raises ReferenceUnclear, SourceNotSupported, UpstreamError.
    """
    place = _place(cursor)
    if kind == SubscriptionKind.ADAPTER:
        reference = parse_reference(target if ":" in target else f"civitai:{target}")
        if not reference.model:
            raise ReferenceUnclear(f"{target[:100]} names no model.")
        document, model = calls.model(reference.model, fresh=True)
        yield _page([(document, model)], None, [], kind)
    elif kind == SubscriptionKind.COLLECTION:
        yield from _collection(_targets(target), place)
    else:
        yield from _walk(kind, _selection(kind, target), place)


@dataclass(frozen=True, slots=True)
class _Selection:
    """What is asked for, how to tell that an item belongs to it, and how it is called."""

    params: Mapping[str, str | Sequence[str]]
    fits: Callable[[Mapping[str, Any]], bool]
    name: str


def _selection(kind: str, target: str) -> _Selection:
    if kind == SubscriptionKind.CREATOR:
        name = creator_of(target)
        return _Selection(
            {**_TYPES, "username": name}, lambda model: _by(model) == _slug(name), f"creator {name}"
        )
    if kind == SubscriptionKind.TAG:
        tag = tag_of(target)
        return _Selection({**_TYPES, "tag": tag}, lambda model: tag.casefold() in _tags(model), f"tag {tag}")
    if kind == SubscriptionKind.QUERY:
        # Search filters a page after it was cut, so that one without adapters may come before one with some.
        return _Selection({**_TYPES, "query": target.strip()}, lambda model: True, f"search {target}")
    if kind == SubscriptionKind.CATALOG:
        return _Selection(_TYPES, lambda model: True, "catalog")
    raise SourceNotSupported(f"Civitai has no list of the kind {kind!r}.")


def _walk(kind: str, selection: _Selection, place: _Place) -> Iterator[Page]:
    seen: set[str] = set(place.before)
    cursors: set[str] = set()
    while not place.ended:
        # Where the first page is shorter, every other page ends at another row than in the first walk.
        size = {"limit": str(calls.PAGE // 2)} if place.again and place.cursor is None else {}
        told = calls.models({**selection.params, **size}, place.cursor)
        ids = [str(model["id"]) for _, model in told.models]
        skipped = _skipped(place.cursor) if kind != SubscriptionKind.QUERY else ""
        place.opaque |= bool(place.cursor) and not skipped and kind != SubscriptionKind.QUERY
        if skipped and skipped not in ids and skipped not in seen:
            place.skipped.append(skipped)
        notes: list[str] = []
        fresh = [each for each in told.models if str(each[1]["id"]) not in seen]
        fits = [each for each in fresh if selection.fits(each[1])]
        if fresh and not fits and len(fresh) == len(told.models):
            error = SelectionIgnored(f"Civitai answers to {selection.name} with other models.")
            yield Page([], None, [Failure(selection.name, error)], notes)
            return
        if len(fits) < len(fresh):
            notes.append(
                f"{len(fresh) - len(fits)} models that do not belong to {selection.name} were left out."
            )
        seen.update(ids)
        stuck = told.cursor is not None and told.cursor in cursors
        if stuck:
            notes.append("The list came back to a place where it had been; it was ended there.")
        place.cursor, place.before = told.cursor, ids
        cursors.add(told.cursor or "")
        place.ended = told.cursor is None or stuck
        if place.ended and place.opaque and not place.again:
            notes.append("The list is read twice, because its cursor does not tell what it may skip.")
            place.ended, place.again, place.cursor = False, True, None
            cursors.clear()
        done = place.ended and not place.skipped
        yield _page(fits, None if done else place.write(), notes, kind, told)
        if len(place.skipped) >= _MOST_SKIPPED:
            yield _recovered(kind, selection, place, seen)
    if place.skipped:
        yield _recovered(kind, selection, place, seen)


def _recovered(kind: str, selection: _Selection, place: _Place, seen: set[str]) -> Page:
    """The models that the cursor skipped, and where to go on."""
    asked = [id for id in dict.fromkeys(place.skipped) if id not in seen]
    found, failures = _by_ids(asked)
    seen.update(asked)
    place.skipped = []
    fits = [each for each in found if selection.fits(each[1])]
    # One that is gone meanwhile was never shown to us.
    kept = [each for each in failures if not isinstance(each.error, NotFoundUpstream)]
    page = _page(fits, None if place.ended else place.write(), [], kind)
    return Page(page.listings, page.cursor, kept, page.notes)


def _collection(ids: Sequence[str], place: _Place) -> Iterator[Page]:
    """Models by their ids. The list hides some (archived ones among them), which are asked for one by one."""
    while place.at < len(ids):
        found, failures = _by_ids(ids[place.at : place.at + calls.PAGE])
        place.at += calls.PAGE
        more = place.write() if place.at < len(ids) else None
        page = _page(found, more, [], SubscriptionKind.COLLECTION)
        yield Page(page.listings, page.cursor, failures, page.notes, total=len(ids))


def _by_ids(ids: Sequence[str]) -> tuple[list[Told], list[Failure]]:
    found: dict[str, Told] = {}
    failures = []
    for start in range(0, len(ids), calls.PAGE):
        asked = ids[start : start + calls.PAGE]
        for told in calls.models({"ids": ",".join(asked)}).models:
            found[str(told[1]["id"])] = told
        for id in asked:
            if id not in found:
                try:
                    found[id] = calls.model(id)
                except UpstreamError as error:
                    if not error.permanent:
                        raise
                    failures.append(Failure(f"civitai:{id}", error))
    return [found[id] for id in ids if id in found], failures


def _page(
    models: Sequence[Told], cursor: str | None, notes: list[str], kind: str, told: ModelPage | None = None
) -> Page:
    adapters = [each for each in models if is_adapter(each[1])]
    if len(adapters) < len(models):
        notes = [*notes, f"{len(models) - len(adapters)} models that are no adapters were left out."]
    failures = []
    if told is not None and told.total > len(told.models):
        error = UnexpectedAnswer(f"{told.total - len(told.models)} items of the list have no id.")
        failures.append(Failure("civitai", error))
    return Page([_unread(each, kind) for each in adapters], cursor, failures, notes)


def _unread(told: Told, kind: str) -> Unread:
    document, model = told
    now = datetime.now(UTC)

    def read_now() -> Listing:
        # Over the whole catalog a request for each version would take days.
        answers = calls.version_answers(model) if kind != SubscriptionKind.CATALOG else {}
        return list_model(document, model, now=now, answers=answers)

    return Unread(Source.CIVITAI, str(model["id"]), fingerprint(model, now), read_now)


def _place(cursor: str | None) -> _Place:
    if not cursor:
        return _Place()
    try:
        return _Place(**json.loads(cursor))
    except (ValueError, TypeError):
        raise ReferenceUnclear("The cursor of this list is none of ours; begin anew.") from None


def _skipped(cursor: str | None) -> str:
    """The id at the end of an upstream's cursor: of the row that its comparison may leave out.

    Values of the sorted columns, separated by `|` (older: `:`), the id last.
    """
    found = re.search(r"(?:\A|[|:])(\d+)\Z", cursor or "")
    return identifier(found[1]) if found else ""


def _targets(target: str) -> list[str]:
    """The models of a collection: ids, addresses or AIR names, separated by blanks or commas."""
    found = []
    for word in re.split(r"[\s,]+", target.strip()):
        reference = parse_reference(word if ":" in word else f"civitai:{word}")
        if not reference.model:
            told = "Civitai's API lists no collections; name the models in it."
            raise ReferenceUnclear(f"{word[:100]} names no model.", next_step=told)
        found.append(reference.model)
    return list(dict.fromkeys(found))


def _by(model: Mapping[str, Any]) -> str:
    creator = model.get("creator")
    # The account of the site itself is left out.
    name = creator.get("username") if isinstance(creator, Mapping) else "civitai"
    return _slug(str(name))


def _slug(name: str) -> str:
    """A name as Civitai compares it: the first blank is an underscore, other signs and case do not count."""
    return re.sub(r"[^\w]", "", name.replace(" ", "_", 1)).casefold()


def _tags(model: Mapping[str, Any]) -> set[str]:
    told = model.get("tags")
    return {each.casefold() for each in told if isinstance(each, str)} if isinstance(told, list) else set()
