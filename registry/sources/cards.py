"""Reads a Hugging Face model card (README.md with YAML front matter) into a Reading."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from registry.licensing.claims.hub import Linked, read_card_terms
from registry.models import ClaimKind
from registry.sources.documents import front_matter
from registry.sources.listing import ListedClaim, RawDocument, Reading, listed
from registry.sources.material import rights_claims
from registry.sources.text import line, lines, plain, text, words

# How a model may come from its base (huggingface.co/docs/hub/model-cards, base_model_relation).
RELATIONS = ("adapter", "finetune", "merge", "quantized")
_EMPTY = {"", "null", "~"}
_HEADING = re.compile(r"^#[ \t]+(\S.{0,300})$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]{0,300})\]\([^)\n]{0,500}\)")
# Tags that say what kind of page it is, not what is on the pictures.
_HOUSEKEEPING = re.compile(
    r"\A(template:.*|lora|dora|diffusers.*|text-to-image|stable-diffusion.*|safetensors|license:.*|base_model:.*|region:.*)\Z"
)


def read_card(document: RawDocument, linked: Linked = lambda path: None) -> Reading | None:
    """What the card says, or None when it has no front matter (a plain README). Raises SidecarUnreadable.

    `linked` gives the text of a file beside the card, for a `license_link` that leads to one. Shapes: the
    fields of huggingface.co/docs/hub/model-cards; everything may be missing or of another type.
    """
    data, body = front_matter(document)
    return None if data is None else read_front(document, data, body, linked)


def read_front(
    document: RawDocument, data: Mapping[str, Any], body: str = "", linked: Linked = lambda path: None
) -> Reading:
    """What a card with front matter `data` and the text `body` says; both were read in `document`."""
    heading = _HEADING.search(body)
    reading = Reading(
        document=document,
        name=line(_LINK.sub(r"\1", heading.group(1)).replace("*", ""), 300) if heading else "",
        description=plain(_HEADING.sub("", _LINK.sub(r"\1", text(body)), count=1)),
        tags=[tag for tag in lines(data.get("tags"), limit=100) if not _HOUSEKEEPING.match(tag)],
        trigger_words=[] if _empty(data.get("instance_prompt")) else words(data.get("instance_prompt")),
        base=", ".join(bases) if (bases := lines(data.get("base_model"), limit=300, most=5)) else "",
        base_host="huggingface",
        claims=[listed(each, document) for each in read_card_terms(data, body, linked=linked)],
        pictures=list(_pictures(data.get("widget"))),
    )
    reading.base = reading.base[:300]
    reading.claims += rights_claims(document, reading.tags)
    if reading.base:
        relation = line(data.get("base_model_relation"), 40).lower()
        hints = {"relation": relation} if relation in RELATIONS else {}
        reading.claims.append(ListedClaim(ClaimKind.BASE, reading.base, reading.base, document, hints=hints))
    return reading


def _empty(value: object) -> bool:
    return not isinstance(value, str | list) or (isinstance(value, str) and value.strip().lower() in _EMPTY)


def _pictures(widget: object) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for entry in widget[:50] if isinstance(widget, list) else []:
        output = entry.get("output") if isinstance(entry, dict) else None
        url = line(output.get("url"), 1000) if isinstance(output, dict) else ""
        if not url:
            continue
        facts = {"prompt": text(entry.get("text"), 5000)} if isinstance(entry.get("text"), str) else {}
        parameters = entry.get("parameters")
        if isinstance(parameters, dict) and isinstance(parameters.get("negative_prompt"), str):
            facts["negativePrompt"] = text(parameters["negative_prompt"], 5000)
        found.append((url, facts))
    return found
