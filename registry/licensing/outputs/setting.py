"""Sets the lines of a credit for a medium: plain text, Markdown, HTML, a print imprint, a video end card."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_Link = Callable[[str, str, str], str]
"""(name, address, relation) -> the name as a link, set for one medium."""
_Text = Callable[[str], str]


@dataclass(frozen=True)
class Line:
    """What one part's line says, before it is set for a medium. `licenses`: (name, address) pairs.

    Every text is on one line and every address is one a browser may open, or empty. `wording` is the line its
    author prescribes; it is kept as it stands, before what the license asks beside it.
    """

    name: str
    url: str
    creator: str
    creator_url: str
    wording: str
    role: str
    change: str
    licenses: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Block:
    """A whole credit: its heading, a line per part, and the notices below them."""

    head: str
    card_head: str
    lines: Sequence[Line]
    notices: Sequence[str]
    words: Mapping[str, str]


def plain_text(block: Block) -> str:
    """A line per part with every address spelled out."""
    rows = [f"- {_sentence(line, block.words, _spelled)}" for line in block.lines]
    return "\n".join([block.head, *rows, *block.notices])


def markdown(block: Block) -> str:
    """The same as a Markdown list with links; names cannot change the layout."""
    rows = [f"- {_sentence(line, block.words, _markdown_link, _markdown)}" for line in block.lines]
    notices = [f"\n{_markdown(notice)}" for notice in block.notices]
    return "\n".join([_markdown(block.head), "", *rows, *notices])


def html(block: Block, language: str) -> str:
    """The same as HTML, one `div`; licenses are linked with `rel="license"` as HTML defines it."""
    rows = "".join(f"\n  <li>{_sentence(line, block.words, _html_link, escape)}</li>" for line in block.lines)
    notices = "".join(f"\n<p>{escape(notice)}</p>" for notice in block.notices)
    head = f"<p>{escape(block.head)}</p>"
    items = f"\n<ul>{rows}\n</ul>" if rows else ""
    return f'<div class="credits" lang="{escape(language)}">\n{head}{items}{notices}\n</div>'


def imprint(block: Block) -> str:
    """Running text for a colophon: sentences one after the other, addresses without `https://`."""
    parts = [_sentence(line, block.words, _printed) for line in block.lines]
    stop = block.words["stop"]
    text = f"{block.head} " + block.words["between"].join(parts) + (stop if parts else "")
    return " ".join([text.strip(), *block.notices])


def end_card(block: Block) -> str:
    """Short lines for a screen shown some seconds: who, and which license; links go to the description."""
    rows: list[str] = [block.card_head, ""]
    for line in block.lines:
        rows.append(line.wording or _credited(line, block.words, _bare))
        small = [name for name, _ in line.licenses] + ([line.change] if line.change else [])
        if small:
            rows.append(f"  {block.words['separator'].join(small)}")
    linked = any(line.url or line.creator_url or any(url for _, url in line.licenses) for line in block.lines)
    last = [block.words["links_elsewhere"]] if linked else []
    rows += ["", *block.notices, *last] if block.notices or last else []
    return "\n".join(rows)


def _credited(line: Line, words: Mapping[str, str], link: _Link) -> str:
    name = link(line.name, line.url, "")
    if not line.creator:
        return words["no_creator"].format(name=name)
    return words["by"].format(name=name, creator=link(line.creator, line.creator_url, ""))


def _sentence(line: Line, words: Mapping[str, str], link: _Link, text: _Text = str) -> str:
    said = [text(line.wording)] if line.wording else []
    said.append(_credited(line, words, link))
    if line.role:
        said.append(text(line.role))
    if line.licenses:
        linked = ", ".join(link(name, url, "license") for name, url in line.licenses)
        said.append(words["license"].format(license=linked))
    if line.change:
        said.append(text(line.change))
    return words["separator"].join(said)


# --- One link in each medium -------------------------------------------------------------------------------


def _bare(name: str, url: str, rel: str) -> str:
    return name


def _spelled(name: str, url: str, rel: str) -> str:
    return f"{name} <{url}>" if url else name


def _printed(name: str, url: str, rel: str) -> str:
    return f"{name} ({url.partition('://')[2].rstrip('/')})" if url else name


def _markdown_link(name: str, url: str, rel: str) -> str:
    return f"[{_markdown(name)}](<{url}>)" if url else _markdown(name)


def _html_link(name: str, url: str, rel: str) -> str:
    if not url:
        return escape(name)
    relation = f' rel="{rel}"' if rel else ""
    return f'<a href="{escape(url)}"{relation}>{escape(name)}</a>'


def _markdown(text: str) -> str:
    """Text in which no sign means anything to Markdown (CommonMark 2.4: escapes)."""
    return re.sub(r"([\\`*_{}\[\]<>()#+|~&!])", r"\\\1", text)
