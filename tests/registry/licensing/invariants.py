"""What has to hold between the acts of any license, whatever its text says.

Each rule takes a row of the table and tells what breaks it. `EXCEPT` lists the few texts that do, with the
reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from registry.licensing import ACTS, LICENSES, AdapterTerms, License, Question, Table, decide

RANK: Final = {"allowed": 0, "conditional": 1, "silent": 2, "forbidden": 3}
OUTCOMES: Final = ("allowed", "conditional", "unknown", "forbidden")
PASSED_ON: Final = ("redistribute_adapter", "redistribute_derivative")
SOLD: Final = ("sell_adapter", "sell_derivative")

# license, rule -> why its text breaks the rule
EXCEPT: Final = {
    (
        "modified-creativeml-openrail-m",
        "selling",
    ): "its clause on versions stands beside use, not beside sale",
    ("circlestone-nc-1.2", "selling"): "an individual may sell what others may only share without gain",
    ("cogvideox-license", "selling"): "a registered company sells under its registration",
    ("bria-commercial", "merging"): "the agreement lets derivatives out, and never the model itself",
    ("modified-creativeml-openrail-m", "merging"): "share-alike stands in place of the list",
    ("modified-creativeml-openrail-m", "use_list"): "share-alike stands in place of the list on services",
}


def _names(license: License, act: str) -> set[str]:
    return {condition.name for condition in license.summary[act].conditions}


def _no_looser(license: License, free: str, bound: str) -> bool:
    """Whether `bound` is at least as strict as `free`, as far as a table tells."""
    one, other = license.summary[free], license.summary[bound]
    if RANK[one.status] != RANK[other.status]:
        return RANK[other.status] > RANK[one.status]
    return one.status != "conditional" or _names(license, free) <= _names(license, bound)


def selling(license: License) -> Iterator[str]:
    """Taking money is never freer than giving away."""
    for free, sold in (
        ("generate_and_share_images", "generate_and_sell_images"),
        ("redistribute_adapter", "sell_adapter"),
        ("redistribute_derivative", "sell_derivative"),
    ):
        if not _no_looser(license, free, sold):
            yield f"{sold} is freer than {free}"


def merging(license: License) -> Iterator[str]:
    """Passing on what was changed is never freer than passing on what was not."""
    for plain, merged in zip((*PASSED_ON[:1], *SOLD[:1]), (*PASSED_ON[1:], *SOLD[1:]), strict=True):
        if not _no_looser(license, plain, merged):
            yield f"{merged} is freer than {plain}"
    if (
        RANK[license.summary["redistribute_derivative"].status]
        < RANK[license.summary["modify_or_merge"].status]
    ):
        yield "redistribute_derivative is freer than modify_or_merge"


def client_work(license: License) -> Iterator[str]:
    """Client work sells pictures: no text here tells the two apart."""
    one, other = (
        license.summary[act] for act in ("generate_and_sell_images", "use_in_advertising_or_client_work")
    )
    if (one.status, set(one.conditions), one.disputed) != (
        other.status,
        set(other.conditions),
        other.disputed,
    ):
        yield "use_in_advertising_or_client_work differs from generate_and_sell_images"


def private_use(license: License) -> Iterator[str]:
    """Keeping to oneself is the freest use of all but of a text that is silent on it."""
    for act in (
        "generate_and_sell_images",
        "run_as_paid_service",
        "sell_adapter",
        "use_internally_for_business",
    ):
        if RANK[license.summary[act].status] < RANK[license.summary["use_privately"].status]:
            yield f"{act} is freer than use_privately"


def share_alike(license: License) -> Iterator[str]:
    """A text with a share-alike group asks for it wherever a derivative is passed on, and bars new terms."""
    if license.share_alike_group is None:
        return
    for act in ("redistribute_derivative", "sell_derivative"):
        if license.summary[act].status == "conditional" and "share_alike" not in _names(license, act):
            yield f"{act} has no share_alike"
    if license.summary["relicense_derivative"].status == "allowed":
        yield "a share-alike text lets other terms in"


def noncommercial(license: License) -> Iterator[str]:
    """What may be used privately without gain only is never served or sold on as a file, whoever asks."""
    limits = {"noncommercial_only", "research_only"}
    if license.family not in ("noncommercial", "research") or not limits & _names(
        license, "redistribute_adapter"
    ):
        return
    for act in ("run_as_paid_service", "sell_adapter", "sell_derivative"):
        if "individuals_only" in _names(license, act):
            continue
        asked = Question(act, license.id, facts={"commercial": False, "purpose": "research"})
        if decide(asked, _alone(license)).outcome != "forbidden":
            yield f"{act} is not refused"


def revenue(license: License) -> Iterator[str]:
    """A revenue threshold stands before every act that earns, and it is one number."""
    if license.family != "revenue_gated":
        return
    earning = [act for act in ACTS if ACTS[act].commerce and license.summary[act].status == "conditional"]
    limits = {
        str(condition)
        for act in earning
        for condition in license.summary[act].conditions
        if condition.name == "revenue_below_usd"
    }
    bare = [act for act in earning if "revenue_below_usd" not in _names(license, act)]
    if bare or len(limits) != 1:
        yield f"revenue limits {sorted(limits)}, missing on {bare}"


def use_list(license: License) -> Iterator[str]:
    """RAIL: the list binds every use, and goes along with every copy and every service."""
    if license.family != "openrail":
        return
    for act in (
        "use_privately",
        "generate_and_sell_images",
        "run_as_paid_service",
        "use_internally_for_business",
    ):
        if "use_based_restrictions" not in _names(license, act):
            yield f"{act} is not bound to the list"
    for act in (*PASSED_ON, *SOLD, "run_as_paid_service", "relicense_derivative"):
        if license.summary[act].status == "conditional" and "use_restrictions_flow_down" not in _names(
            license, act
        ):
            yield f"{act} does not pass the list on"


def permissive(license: License) -> Iterator[str]:
    """A permissive text refuses nothing, tests no fact, and asks for the same on every copy."""
    if license.family not in ("permissive", "public_domain"):
        return
    for act, cell in license.summary.items():
        gates = [str(condition) for condition in cell.conditions if condition.kind.kind == "gate"]
        if cell.status == "forbidden" or gates:
            yield f"{act} is refused or gated: {gates}"
    copies = {frozenset(license.summary[act].conditions) for act in (*PASSED_ON, *SOLD)}
    if len(copies) != 1:
        yield "copies differ in what they ask"


def dedicated(license: License) -> Iterator[str]:
    """What is given up to the public asks for nothing at all."""
    if license.family == "public_domain":
        yield from (f"{act} asks for something" for act, cell in license.summary.items() if cell.conditions)


def without_text(license: License) -> Iterator[str]:
    """Where there is no text nothing is granted."""
    if license.family in ("none", "unresolved"):
        yield from (
            f"{act} is granted"
            for act, cell in license.summary.items()
            if cell.status in ("allowed", "conditional")
        )


def whoever_asks(license: License) -> Iterator[str]:
    """The license means the same on a base, on a part beside it and on an adapter over a free base."""
    table = _alone(license)
    for act in ACTS:
        answers = {
            (verdict.outcome, verdict.conditions, verdict.standing)
            for verdict in (
                decide(Question(act, license.id), table),
                decide(Question(act, "CC0-1.0", components=[license.id]), table),
                decide(Question(act, "CC0-1.0", [AdapterTerms(license.id)]), table),
            )
        }
        if license.id != "CC0-1.0" and len(answers) != 1:
            yield f"{act} depends on whose license it is"


RULES: Final[tuple[Callable[[License], Iterator[str]], ...]] = (
    selling, merging, client_work, private_use, share_alike, noncommercial, revenue, use_list, permissive,
    dedicated, without_text, whoever_asks,
)  # fmt: skip


def broken(license: License) -> list[str]:
    """Every rule that the row breaks, and where."""
    return [
        f"{license.id}, {rule.__name__}: {what}"
        for rule in RULES
        if (license.id, rule.__name__) not in EXCEPT
        for what in rule(license)
    ]


def _alone(license: License) -> Table:
    """The built-in table with this row in place of its own."""
    return LICENSES.with_rows([license])
