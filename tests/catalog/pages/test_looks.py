"""The style sheet and the translations: contrast of the colors in use, and no text left in English."""

from __future__ import annotations

import gettext
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CSS = (ROOT / "static/css/kura.css").read_text(encoding="utf-8")
PO = (ROOT / "locale/ja/LC_MESSAGES/django.po").read_text(encoding="utf-8")
TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", CSS)
}
TEXT_ON_GROUND = [
    *((text, ground) for text in ("ink", "ink-soft", "accent") for ground in ("paper", "surface", "sunken")),
    *((text, ground) for text in ("ink", "accent-strong") for ground in ("accent-wash",)),
    *((tone, f"{tone}-wash") for tone in ("allowed", "conditional", "unknown", "forbidden")),
    *((tone, "surface") for tone in ("allowed", "conditional", "unknown", "forbidden")),
    *(("ink", f"{tone}-wash") for tone in ("allowed", "conditional", "unknown", "forbidden")),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
]


def luminance(color: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2, 1.4.3."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT_ON_GROUND)
def test_text_stands_out_from_its_ground(text: str, ground: str, theme: int) -> None:
    assert contrast(TOKENS[text][theme], TOKENS[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "surface"])
def test_the_edge_of_a_field_can_be_seen(ground: str, theme: int) -> None:
    assert contrast(TOKENS["line-strong"][theme], TOKENS[ground][theme]) >= 3


def test_labels_over_pictures_do_not_depend_on_the_picture() -> None:
    alpha, ground = 0.82, (14, 16, 20)
    over_white = "#" + "".join(f"{round(255 * (1 - alpha) + alpha * c):02x}" for c in ground)
    assert contrast("#ffffff", over_white) >= 4.5


def entries() -> list[tuple[str, str]]:
    found = re.findall(r'^msgid (".*")\n(?:msgid_plural ".*"\n)?msgstr(?:\[0\])? (".*")$', PO, re.MULTILINE)
    return [(source, target) for source, target in found if source != '""']


def test_every_text_is_translated() -> None:
    assert [source for source, target in entries() if target == '""'] == []
    assert len(entries()) > 400


def test_translations_keep_their_placeholders() -> None:
    for source, target in entries():
        assert set(re.findall(r"%\(\w+\)s", target)) >= set(re.findall(r"%\(\w+\)s", source)), source


def test_the_compiled_catalog_is_that_of_the_source() -> None:
    with (ROOT / "locale/ja/LC_MESSAGES/django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    plain = [
        block for block in PO.split("\n\n")[1:] if "msgctxt" not in block and "msgid_plural" not in block
    ]
    for block in plain:
        source, target = re.findall(r'^msg(?:id|str) "(.*)"$', block, re.MULTILINE)
        if "\\" not in source:
            assert compiled.gettext(source) == target, source


def test_every_text_of_the_templates_is_in_the_catalog() -> None:
    known = {source[1:-1].replace('\\"', '"').replace("%%", "%") for source, _target in entries()}
    used: set[str] = set()
    for template in (ROOT / "templates").rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        used |= {a or b for a, b in re.findall(r"{% translate (?:\"([^\"]+)\"|'([^']+)')", text)}
    assert sorted(used - known) == []
