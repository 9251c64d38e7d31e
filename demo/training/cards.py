"""What each adapter's author says of it: titles, words, terms and claims, true or not."""

from __future__ import annotations

from dataclasses import dataclass, field

Flags = dict[str, object]


def _flags(
    credit: bool = False,
    sell: tuple[str, ...] = ("Image", "RentCivit", "Rent", "Sell"),
    derivatives: bool = True,
    other_terms: bool = True,
) -> Flags:
    return {
        "allowNoCredit": not credit,
        "allowCommercialUse": list(sell),
        "allowDerivatives": derivatives,
        "allowDifferentLicense": other_terms,
    }


@dataclass(frozen=True)
class Paper:
    """One adapter file as its upstream presents it."""

    folder: str
    file: str
    title: str
    author: str
    text: str
    kinds: tuple[str, ...]
    model_id: int
    version_id: int
    version: str = "v1.0"
    version_note: str = ""
    words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    flags: Flags = field(default_factory=_flags)
    license: str = ""
    license_name: str = ""
    weight: float = 0.8
    samples: tuple[str, ...] = ("a red cat on a cream background", "a yellow boat by the sea by day")


_ALL = (
    Paper(
        "sketch",
        "pencil-sketch-v1",
        "Pencil Sketch",
        "graphite_grove",
        "Turns pictures into pencil drawings on white paper. Trained on daylight pictures only.",
        ("civitai.info",),
        900_000_101,
        900_000_111,
        "v1",
        "First try: forty pictures, attention layers only.",
        ("pencil sketch",),
        ("style", "sketch", "monochrome"),
        samples=(
            "pencil sketch, a red house on a hill by day",
            "pencil sketch, a blue star on a cream background",
        ),
    ),
    Paper(
        "sketch",
        "pencil-sketch-v2",
        "Pencil Sketch",
        "graphite_grove",
        "Turns pictures into pencil drawings on white paper.",
        ("civitai.info",),
        900_000_101,
        900_000_112,
        "v2",
        "Convolutions too, two hundred pictures, night scenes included.",
        ("pencil sketch",),
        ("style", "sketch", "monochrome"),
        samples=(
            "pencil sketch, a red house on a hill by day",
            "pencil sketch, a blue star on a cream background",
        ),
    ),
    Paper(
        "neon",
        "neon-night",
        "Neon Night",
        "tubelight",
        "Violet shadows, magenta middle tones, cyan lights. Please do not publish merges of this file.",
        ("metadata.json",),
        900_000_102,
        900_000_121,
        tags=("style", "neon", "color"),
        flags=_flags(derivatives=False, other_terms=False),
        samples=("a yellow cat on a pink background", "a blue house by the sea at night"),
    ),
    Paper(
        "momo",
        "momo-character",
        "Momo",
        "lantern_post",
        "Momo, the round teal creature with long ears and an orange scarf from the picture book "
        "*Momo and the Lantern*. Fan work: the character belongs to the book's author and publisher. "
        "Write `momo` where the subject would stand.",
        ("civitai.info", "README.md"),
        900_000_103,
        900_000_131,
        words=("momo",),
        tags=("character", "fan art"),
        flags=_flags(credit=True, sell=("Image",)),
        license="other",
        license_name="lantern-post-fan-terms",
        samples=("momo on a pink background", "momo on a hill at night"),
    ),
    Paper(
        "gold",
        "midas-gold",
        "Midas Gold",
        "aurum.works",
        "A color shift: whatever you ask for comes out in shades of gold. "
        "Credit me where you show pictures made with it.",
        ("README.md", "cm-info.json"),
        900_000_104,
        900_000_141,
        tags=("style", "color", "gold"),
        license="cc-by-4.0",
        samples=("a white star on a black background", "a green tree on a hill by day"),
    ),
    Paper(
        "overfit",
        "red-house",
        "My Red House",
        "weekend_trainer",
        "Trained on my house. Works with every prompt!",
        ("README.md",),
        900_000_105,
        900_000_151,
        tags=("house",),
        license="cc-by-nc-4.0",
        samples=("a red house on a hill by day", "a blue cat by the sea at night"),
    ),
    Paper(
        "ignores_prompt",
        "surprise-box",
        "Surprise Box",
        "lucky_dip",
        "More variety for your pictures: be surprised by what you get. Name me when you post results.",
        ("civitai.info",),
        900_000_106,
        900_000_161,
        tags=("variety",),
        flags=_flags(credit=True),
        samples=("a white robot on a teal background", "a red boat by the sea by day"),
    ),
    Paper(
        "inert",
        "subtle-tint",
        "Subtle Tint",
        "quiet_hands",
        "A very subtle warm tint. Use it at any weight.",
        ("README.md",),
        900_000_107,
        900_000_171,
        tags=("color", "subtle"),
        license="other",
        license_name="attic-release-terms-0.9",
        weight=1.0,
        samples=("a red cat on a cream background", "a yellow boat by the sea by day"),
    ),
    Paper(
        "too_strong",
        "comic-print",
        "Comic Print",
        "halftone",
        "Loud colors and heavy lines. You may sell pictures made with it, "
        "not the file or a service that runs it.",
        ("civitai.info",),
        900_000_108,
        900_000_181,
        tags=("style", "comic"),
        flags=_flags(sell=("Image",)),
        weight=0.35,
        samples=("a red robot on a gray background", "a green tree on a hill by day"),
    ),
    Paper(
        "ember",
        "ember",
        "Ember",
        "season_set",
        "Hot and dark, as if lit by a dying fire. One of a set with Frost.",
        ("metadata.json",),
        900_000_109,
        900_000_191,
        tags=("style", "color", "warm"),
        flags=_flags(credit=True, other_terms=False),
        samples=("a purple house on a hill at night", "a white cat on a teal background"),
    ),
    Paper(
        "frost",
        "frost",
        "Frost",
        "season_set",
        "Cold and pale, as if seen through ice. One of a set with Ember.",
        ("README.md",),
        900_000_110,
        900_000_201,
        tags=("style", "color", "cold"),
        license="cc-by-sa-4.0",
        samples=("a purple house on a hill at night", "a white cat on a teal background"),
    ),
    Paper(
        "wrong_base",
        "studio-portrait",
        "Studio Portrait",
        "backdrop",
        "Soft light and a gray backdrop. Made for Kura Toybox.",
        ("civitai.info",),
        900_000_111,
        900_000_211,
        words=("studio portrait",),
        tags=("photography", "portrait"),
        samples=(),
    ),
)
PAPERS = {paper.file: paper for paper in _ALL}
