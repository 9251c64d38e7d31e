"""docs/licenses.md, rendered from the table: `python -m registry.licensing.document > docs/licenses.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from registry.licensing.base_models import BASE_MODELS, FAMILIES
from registry.licensing.reasons import REASONS
from registry.licensing.schema import Cell, License
from registry.licensing.table import LICENSES
from registry.licensing.tools import TOOLS
from registry.licensing.vocabulary import ACTS, CONDITIONS, FACTS

INTRODUCTION = """# Licenses

What Kura knows about licenses, act by act. This page is made from `registry/licensing/data/`; change the
data, then run `python -m registry.licensing.document > docs/licenses.md`. It is a reading with its clauses,
not legal advice.

How a verdict comes about:

- Every party has a say, its *layer*: the base model's steward, parts loaded beside the base, each adapter's
  author, an author's reply, a host, the owners of rights in the source material, the house.
- Each layer gives a status for the act: allowed, conditional, forbidden, silent, or not addressed.
- The strictest wins: allowed < conditional < unknown < forbidden. A silent layer makes the answer *unknown*,
  and unknown is never yes.
- *Standing* rules always bind and are listed beside the verdict. A *duty* is something to do. A *gate* tests
  a fact: passed, it drops out; failed, the act is forbidden; with the fact missing, it stays open.
- Non-commercial limits always fail on acts that earn: {commerce}.
- Share-alike terms are compared when a merge or derivative is passed on: {derivative}.
"""

_CONFIDENCE = {
    "read_in_text": "text read",
    "secondary_source": "read in part, or quoted by someone else",
    "from_memory": "recalled; read it again before relying on it",
}
_DERIVATIVE = {
    "explicit": "a derivative by name",
    "by_definition": "a derivative by definition",
    "arguable": "arguable as a separate file, a derivative once merged",
    "silent": "not mentioned",
    None: "does not apply",
}
_IRREVOCABLE = {True: "irrevocable", False: "revocable, or ends by its own terms", None: "not stated"}


def render() -> str:
    """The whole page as Markdown."""
    commerce = ", ".join(f"`{act.id}`" for act in ACTS.values() if act.commerce)
    derivative = ", ".join(f"`{act.id}`" for act in ACTS.values() if act.derivative)
    parts = [
        INTRODUCTION.format(commerce=commerce, derivative=derivative),
        "## Acts\n",
        _table(("act", "name", "meaning"), ((f"`{a.id}`", a.label, a.description) for a in ACTS.values())),
        "## Conditions\n",
        _table(
            ("condition", "kind", "meaning", "what to do or state", "fact"),
            (
                (f"`{c.wire}`", c.kind, c.label, c.step, f"`{FACTS[c.fact].wire}`" if c.fact else "")
                for c in CONDITIONS.values()
            ),
        ),
        "## Facts\n",
        _table(("fact", "type", "meaning"), ((f"`{f.wire}`", f.type, f.label) for f in FACTS.values())),
        "## Reason codes\n",
        _table(
            ("code", "meaning", "next step"),
            ((f"`{code}`", meaning, step) for code, (meaning, step) in REASONS.items()),
        ),
        "## Base models\n",
        _table(("base model", "family", "license", "Civitai", "note"), _base_models()),
        "## Programs and services\n",
        _table(("name", "license", "what it means for the answer"), _tools()),
        "## The licenses\n",
        _table(
            ("id", "name", "family", "confidence"),
            (
                (f"[`{row.id}`](#{_anchor(row.id)})", row.name, row.family, _CONFIDENCE[row.confidence])
                for row in LICENSES.values()
            ),
        ),
        *(_license(row) for row in LICENSES.values()),
    ]
    return "\n".join(parts)


def _base_models() -> Iterator[tuple[str, ...]]:
    for base in BASE_MODELS.values():
        licenses = [base.license] if base.license else [f"{license_id}?" for license_id in base.candidates]
        licenses += [f"with {license_id}" for license_id in base.components]
        names = ", ".join(base.civitai)
        yield base.name, FAMILIES[base.family], ", ".join(licenses), names, base.note


def _tools() -> Iterator[tuple[str, ...]]:
    for tool in TOOLS.values():
        if tool.acts is None:
            yield tool.name, "its own terms", "not read: unknown until its terms are pasted or linked"
            continue
        cells = (
            f"`{act}`: {', '.join(f'`{condition}`' for condition in cell.conditions)} ({cell.clause})"
            for act, cell in tool.acts.items()
        )
        yield tool.name, tool.license, "; ".join([tool.note, *cells])


def _license(row: License) -> str:
    facts = [
        f"`{row.id}`, revision {row.revision}",
        f"[text]({row.url})" if row.url else "no text",
        f"steward: {row.steward}" if row.steward else "",
        f"version: {row.version}" if row.version else "",
        f"confidence: {_CONFIDENCE[row.confidence]}",
        f"a LoRA is {_DERIVATIVE[row.lora_is_derivative]}",
        f"grant: {_IRREVOCABLE[row.irrevocable]}",
        f"share-alike group: {row.share_alike_group}" if row.share_alike_group else "",
        f"outputs: {row.output_clause}" if row.output_clause else "",
        "the name stands for several texts" if row.ambiguous else "",
    ]
    lines = [f"### {row.id}\n", f"**{row.name}**\n", *(f"- {fact}" for fact in facts if fact), ""]
    cells = ((f"`{act}`", *_cell(cell)) for act, cell in row.summary.items())
    lines.append(_table(("act", "status", "conditions", "clause", "remark"), cells))
    lines += _readings(row)
    lines += [f"- {note}" for note in row.notes]
    if row.sources:
        lines.append(f"- Read in: {'; '.join(f'`{source}`' for source in row.sources)}")
    return "\n".join(lines) + "\n"


def _readings(row: License) -> list[str]:
    """Both readings of every disputed clause; acts that share them stand together."""
    told: dict[tuple[str, str], list[str]] = {}
    for act, cell in row.summary.items():
        if cell.disputed:
            told.setdefault((cell.reading, cell.other_reading), []).append(f"`{act}`")
    return [
        f"- Disputed, {', '.join(acts)}: {reading} *The other reading:* {other}"
        for (reading, other), acts in told.items()
    ]


def _cell(cell: Cell) -> tuple[str, str, str, str]:
    status = f"{cell.status} (disputed)" if cell.disputed else cell.status
    remark = cell.note
    if cell.host_exempt:
        remark = f"{remark} (exempt hosts: {', '.join(sorted(cell.host_exempt))})".strip()
    return status, ", ".join(f"`{condition}`" for condition in cell.conditions), cell.clause or "", remark


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [_line(head), _line("---" for _ in head), *(_line(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _anchor(license_id: str) -> str:
    """The anchor GitHub gives a heading: lower case, dots and plus signs dropped."""
    return "".join(c for c in license_id.lower() if c.isalnum() or c in "-_")


if __name__ == "__main__":
    sys.stdout.write(render())
