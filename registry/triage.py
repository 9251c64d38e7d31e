"""Decides before anything is fetched whether a file offered upstream is worth its bytes, and says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import PurePath
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from registry.errors import KuraError
from registry.models import Availability, OfferedFile, OfferState, Version
from registry.offers import WEIGHTS
from registry.sources.http import credentials_for
from registry.sources.remote_header import remote_header
from registry.sources.upstream_errors import NotSafetensors
from registry.storing import KEPT_KINDS
from registry.verdicts import verdict_for

_SUFFIXES: Final[Mapping[str, str]] = {
    ".safetensors": "safetensors",
    ".sft": "safetensors",
    ".ckpt": "pickle",
    ".pt": "pickle",
    ".pth": "pickle",
    ".bin": "pickle",
    ".gguf": "gguf",
    ".onnx": "onnx",
}
_NAMED: Final[Mapping[str, str]] = {"safetensor": "safetensors", "pickletensor": "pickle", "gguf": "gguf"}
_CONTAINERS: Final[Mapping[str, str]] = {"pickle": "pickle", "zip": "pickle", "safetensors": "safetensors"}
# Why a file cannot be had now -> the sentence. With a token of ours, what needs one may be asked for.
_REQUIRES: Final[Mapping[str, tuple[str, str]]] = {
    "early_access": ("early_access", "Its author sells early access to it."),
    "purchase": ("purchase_required", "Its author sells it."),
    "gated": ("gated_upstream", "Its author gives it to those alone who accept terms on its page."),
    "login": ("login_required", "The upstream gives it to those with an account alone."),
}
_TOKEN_HELPS: Final = frozenset({"gated", "login"})


class BadPolicy(KuraError):
    """A policy of what to fetch names something that does not exist, or gives it a value it cannot have."""

    code = "bad_triage_policy"
    next_step = "Use the names of docs/configuration.md under What is fetched."


@dataclass(frozen=True, slots=True)
class TriagePolicy:
    """What is worth fetching.

    `families`: base families that are wanted, empty: all. `largest`: bytes, 0: any. `acts`: a file is passed
    by if its terms forbid every one of these. `formats`: safetensors, pickle, ... `roles`: what the
    upstream calls the file. `kinds`: of `manage.py inspect`. `read_header`: whether to look first.
    """

    families: tuple[str, ...] = ()
    largest: int = 4096 * 2**20
    acts: tuple[str, ...] = ("use_privately",)
    formats: tuple[str, ...] = ("safetensors", "pickle")
    roles: tuple[str, ...] = (WEIGHTS,)
    kinds: tuple[str, ...] = KEPT_KINDS
    read_header: bool = True

    def with_changes(self, changes: Mapping[str, Any]) -> TriagePolicy:
        """The same with what a subscription sets for itself (JSON). Raises BadPolicy."""
        known = {field.name for field in fields(self)}
        values: dict[str, Any] = asdict(self)
        for name, value in changes.items():
            if name not in known:
                raise BadPolicy(f"There is nothing called {name!r} in a policy of what to fetch.")
            values[name] = _checked(name, value)
        return TriagePolicy(**values)


def house_policy() -> TriagePolicy:
    """The policy of the settings."""
    return TriagePolicy(
        families=tuple(settings.TRIAGE_FAMILIES),
        largest=settings.TRIAGE_LARGEST_MB * 2**20,
        acts=tuple(settings.TRIAGE_ACTS),
        formats=tuple(settings.TRIAGE_FORMATS),
        read_header=settings.TRIAGE_READ_HEADER,
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to fetch; if not, the code of the reason, a sentence, and the bytes that are not fetched."""

    fetch: bool
    code: str = ""
    reason: str = ""
    saved: int = 0


def by_record(offer: OfferedFile, version: Version, policy: TriagePolicy) -> Decision:
    """What the upstream's record and the version's terms decide; asks nobody."""
    why = _why_not_by_record(offer, version, policy)
    return _passed_by(offer, *why) if why else Decision(True)


def by_header(offer: OfferedFile, policy: TriagePolicy) -> Decision:
    """What the file's own beginning decides, read into `offer.triage` unless it is there from before.

    Costs one or two requests for a safetensors file, and none for another. Raises UpstreamError, and
    NotSafetensors where the beginning is that of something else, a web page for instance, or is damaged.
    """
    if not policy.read_header or format_of(offer) != "safetensors":
        return Decision(True)
    if "container" not in offer.triage:
        told = remote_header(offer.url, offer.name, size=offer.size)
        offer.triage = {**offer.triage, **told.as_dict()}
        offer.read += told.read
        offer.save(update_fields=["triage", "read", "updated"])
    why = _why_not_by_header(offer.triage, policy)
    return _passed_by(offer, *why) if why else Decision(True)


def decide(offer: OfferedFile, version: Version, policy: TriagePolicy) -> Decision:
    """Both, the cheaper first, written down with the offer: waiting to be fetched, or passed by and why.

    Raises UpstreamError where the file's beginning cannot be read or is none; then nothing is decided.
    """
    decision = by_record(offer, version, policy)
    if decision.fetch:
        decision = by_header(offer, policy)
    return note(offer, decision)


def note(offer: OfferedFile, decision: Decision) -> Decision:
    """Write a decision down with its offer; a row that says so already is not touched."""
    state = OfferState.WAITING if decision.fetch else OfferState.PASSED_BY
    told = {
        "state": state,
        "code": decision.code,
        "reason": decision.reason[:500],
        "saved": decision.saved,
    }
    if any(getattr(offer, name) != value for name, value in told.items()):
        for name, value in told.items():
            setattr(offer, name, value)
        offer.updated = timezone.now()
        offer.save(update_fields=[*told, "updated"])
    return decision


def format_of(offer: OfferedFile) -> str:
    """The format by the name's ending, else as the upstream calls it; empty if neither tells."""
    told = offer.format.strip().lower()
    return _SUFFIXES.get(PurePath(offer.name).suffix.lower()) or _NAMED.get(told, told)


def _why_not_by_record(offer: OfferedFile, version: Version, policy: TriagePolicy) -> tuple[str, str] | None:
    if offer.role not in policy.roles:
        return "role_not_wanted", f"The upstream calls it {offer.role!r}."
    if version.availability == Availability.TAKEN_DOWN:
        return "taken_down", "The upstream has taken the adapter down."
    if offer.requires in _REQUIRES and not (
        offer.requires in _TOKEN_HELPS and credentials_for(offer.url) is not None
    ):
        return _REQUIRES[offer.requires]
    form = format_of(offer)
    if form and form not in policy.formats:
        return "format_not_wanted", f"It is a {form} file; {', '.join(policy.formats)} are fetched."
    size = _size(offer)
    if policy.largest and size > policy.largest:
        return "too_large", f"It has {size} bytes; at most {policy.largest} are fetched."
    base = version.base_decided or version.base_declared
    if policy.families and base is not None and base.family not in policy.families:
        who = "A person decided" if version.base_decided else "Its page states"
        return "family_not_wanted", f"{who} the base {base.name}, of the family {base.family}."
    return _why_forbidden(version, policy)


def _why_forbidden(version: Version, policy: TriagePolicy) -> tuple[str, str] | None:
    """Only what is certain counts: unknown terms may be settled, and conditions may be met."""
    reasons: list[str] = []
    for act in policy.acts:
        verdict = verdict_for(version, act, {})
        if verdict.outcome != "forbidden":
            return None
        codes = {f"{each.layer}: {each.code}" for each in verdict.reasons if each.layer in verdict.deciding}
        reasons.append(f"{act} ({', '.join(sorted(codes))})")
    if not reasons:
        return None
    return "license_forbids", f"Its terms forbid {'; '.join(reasons)}."


def _why_not_by_header(told: Mapping[str, Any], policy: TriagePolicy) -> tuple[str, str] | None:
    container = str(told.get("container"))
    form = _CONTAINERS.get(container)
    error = told.get("error")
    if form is None or (form == "safetensors" and error):
        message = error.get("message") if isinstance(error, dict) else f"It is {container}."
        raise NotSafetensors(f"Its beginning is not that of a sound safetensors file. {message}")
    if form not in policy.formats:
        return "format_not_wanted", f"Its bytes are a {form}, whatever its name says."
    if form == "pickle":
        return None
    kind, family = str(told.get("kind")), str(told.get("family"))
    if kind not in policy.kinds:
        return "not_an_adapter", f"By its tensors it is of the kind {kind}."
    allowed = [str(each) for each in told.get("family_candidates") or []] or [family]
    if policy.families and family not in policy.families:
        # What the tensors do not settle is passed by only if nothing that they allow is wanted.
        unsettled = allowed == ["unknown"] or bool(set(allowed) & set(policy.families))
        if family != "unknown" or not unsettled:
            return "family_not_wanted", f"By its tensors it is for {' or '.join(allowed)}."
    return None


def _passed_by(offer: OfferedFile, code: str, reason: str) -> Decision:
    return Decision(False, code, reason, max(0, _size(offer) - offer.read))


def _size(offer: OfferedFile) -> int:
    """Bytes of the file, as exactly as they are known; 0 where nobody tells."""
    return int(offer.size or offer.triage.get("size") or offer.about or 0)


def _checked(name: str, value: Any) -> Any:
    if name == "read_header":
        good = isinstance(value, bool)
    elif name == "largest":
        good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    else:
        good = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        value = tuple(value) if good else value
    if not good:
        raise BadPolicy(f"{name} cannot be {value!r} in a policy of what to fetch.")
    return value
