"""Credit texts: one block with a line per part, in the words a license asks for, for web, print and video.

Rules: CC BY 4.0, 3.a(1)-(2): creator, license and link, changes indicated, in any reasonable manner for the
medium, which may be a link to a page with all of it; Civitai's Attachment B: links to the model, its creator
and the license. "Powered by" lines (Stability IV.a and the like) belong on a site, an interface, an about
page or in documentation, not on a picture, so a credit for print or video does not claim to meet them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from registry.licensing.conditions import Condition, unite
from registry.licensing.errors import not_one_of
from registry.licensing.outputs.errors import UnknownMedium
from registry.licensing.outputs.parts import Asked, Part, asked_of, change_of, plain, web_address, weight_word
from registry.licensing.outputs.phrases import phrases
from registry.licensing.outputs.setting import Block, Line, end_card, html, imprint, markdown, plain_text
from registry.licensing.table import LICENSES, Table
from registry.licensing.verdict import Verdict

Medium = Literal["web", "print", "video"]
MEDIA: Final[tuple[Medium, ...]] = ("web", "print", "video")

# What a line of the block meets by being there.
_CREDITED: Final = ("attribution", "state_changes")


@dataclass(frozen=True)
class CreditText:
    """A credit ready to paste.

    `text` is plain text for the medium (the text of a page, the imprint, the end card); `markdown` and `html`
    are the whole of it with links; `description` goes with a video, whose end card has no room for links.
    `required`: whether anything asks for it; where nothing does, the text offers thanks.
    `duties_met` are the conditions that pasting it fulfills, `duties_left` those it cannot (a license copy, a
    name, a notice on the site), both as the verdict spells them. `missing` says what a credited part lacks
    for a whole credit, as (layer, `creator` | `url` | `creator_url`), to be added by hand.
    """

    medium: Medium
    language: str
    required: bool
    text: str
    markdown: str
    html: str
    description: str
    duties_met: tuple[str, ...]
    duties_left: tuple[str, ...]
    missing: tuple[tuple[str, str], ...] = ()

    def as_dict(self) -> dict[str, object]:
        return {
            "medium": self.medium,
            "language": self.language,
            "required": self.required,
            "text": self.text,
            "markdown": self.markdown,
            "html": self.html,
            "description": self.description,
            "duties_met": list(self.duties_met),
            "duties_left": list(self.duties_left),
            "missing": [{"layer": layer, "what": what} for layer, what in self.missing],
        }


def credit_text(
    verdict: Verdict,
    parts: Sequence[Part],
    act: str,
    *,
    medium: str = "web",
    language: str = "en",
    table: Table = LICENSES,
) -> CreditText:
    """The credit for doing the act with these parts, as the verdict's ledger asks for it.

    `parts` are named as in the ledger (`base`, `component:NAME`, `adapter:1` ...); `table` is the one the
    verdict was decided by. A credit never makes an act allowed: whoever shows one for a forbidden or unknown
    verdict says so beside it. Raises `UnknownMedium`, `UnknownLanguage`.
    """
    kept, words = _medium(medium), phrases(language)
    asked = asked_of(verdict, parts, table)
    of_parts = [(each.part, each) for each in asked if each.part is not None]
    credited = [pair for pair in of_parts if pair[1].asks(*_CREDITED)]
    duties = unite(c for each in asked for c in each.conditions if c.kind.kind == "duty")
    change = change_of(act)
    notices, met = _notices(duties, kept, "ai_unchanged" if change != "used" else "ai", words)
    required = bool(credited or notices)
    # A duty that a rule lays on the stack as a whole is met by crediting every part.
    whole = any(each.part is None and each.asks(*_CREDITED) for each in asked)
    shown = of_parts if whole or not required else credited
    lines = [_line(part, each, change, words) for part, each in shown]
    if lines and (credited or whole):
        met |= {condition for condition in duties if condition.name in _CREDITED}
    block = Block(
        head=words[f"head_{change}"] if required or whole else words["none"],
        card_head=words[f"head_card_{change}"] if required or whole else words["none"],
        lines=lines,
        notices=notices,
        words=words,
    )
    full = plain_text(block)
    return CreditText(
        medium=kept,
        language=language,
        required=required or whole,
        text={"web": full, "print": imprint(block), "video": end_card(block)}[kept],
        markdown=markdown(block),
        html=html(block, language),
        description=full if kept == "video" else "",
        duties_met=tuple(str(condition) for condition in duties if condition in met),
        duties_left=tuple(str(condition) for condition in duties if condition not in met),
        missing=tuple(gap for part, each in shown if each.asks("attribution") for gap in _gaps(part, each)),
    )


def _medium(medium: str) -> Medium:
    for known in MEDIA:
        if medium == known:
            return known
    raise UnknownMedium(f"There is no medium {medium!r}. {not_one_of(medium, MEDIA)}")


def _notices(
    duties: Sequence[Condition], medium: Medium, ai: str, words: Mapping[str, str]
) -> tuple[list[str], set[Condition]]:
    """The lines below the parts, and the conditions they meet."""
    lines: list[str] = []
    met: set[Condition] = set()
    for condition in duties:
        if condition.name == "powered_by_notice" and medium == "web":
            lines.append(str(condition.parameter))
        elif condition.name == "ai_disclosure":
            lines.append(words[ai])
        else:
            continue
        met.add(condition)
    return lines, met


def _line(part: Part, asked: Asked, change: str, words: Mapping[str, str]) -> Line:
    licenses = [(plain(row.name), web_address(row.url)) for row in asked.licenses]
    if not licenses and asked.conditions:
        licenses = [(words["terms_of_page"], web_address(part.url))]
    return Line(
        name=plain(f"{part.name} {part.version}") or part.layer,
        url=web_address(part.url),
        creator=plain(part.creator),
        creator_url=web_address(part.creator_url),
        wording=plain(part.wording),
        role="" if part.is_adapter else words["base" if part.layer == "base" else "component"],
        change=_change(part, change, words),
        licenses=tuple(licenses),
    )


def _gaps(part: Part, asked: Asked) -> list[tuple[str, str]]:
    """What is not known of a part whose credit is due. Only Attachment B wants a link to the creator."""
    wanted = {"creator": plain(part.creator), "url": web_address(part.url)}
    if part.is_adapter and any(entry.source and "civitai" in entry.source for entry in asked.entries):
        wanted["creator_url"] = web_address(part.creator_url)
    return [(part.layer, what) for what, value in wanted.items() if not value]


def _change(part: Part, change: str, words: Mapping[str, str]) -> str:
    """What was done to the part: CC BY 4.0, 3.a(1)(B) wants to hear of changes, and of earlier ones."""
    if not part.is_adapter:
        return words["base_merged"] if change == "merged" else ""
    if part.weight is None or change == "unchanged":
        return words[change]
    return words[f"{change}_at"].format(weight=weight_word(part.weight))
