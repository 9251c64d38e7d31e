"""The adapters that findings are calibrated on, the others they are tried on, and what is true of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.variants import Variant
from inference.recipes import Prompt, Trigger

NO_EFFECT, BLACK, WRONG_BASE = "no_effect", "black_images", "wrong_base"
COLLAPSES, OVERFIT, IGNORES = "collapses_at", "overfit", "ignores_prompt"
SHIFT, UNNEEDED = "colour_shift", "trigger_not_needed"
CODES = (NO_EFFECT, COLLAPSES, SHIFT, OVERFIT, IGNORES, UNNEEDED, WRONG_BASE, BLACK)
SERIOUS = frozenset({NO_EFFECT, COLLAPSES, OVERFIT, IGNORES, WRONG_BASE, BLACK})
"""What no good adapter may be accused of."""

WEIGHTS = (0.4, 0.6, 0.8, 1.0)
STEPS, GUIDANCE, SIDE, SAMPLER = 16, 5.0, 64, "dpmpp_2m_karras"


@dataclass(frozen=True)
class Setting:
    """Prompts and seeds of a sheet: two neutral prompts, then two with the trigger words."""

    name: str
    prompts: tuple[Prompt, ...]
    seeds: tuple[int, int]


def _called(template: str, subject: str) -> Prompt:
    return Prompt(f"{{subject}} {template}", subject=subject, takes_trigger=True)


# The words and seeds of the standard sheet.
CALIBRATION = Setting(
    "standard",
    (
        Prompt("a white cat by the sea at night"),
        Prompt("a red house on a teal background"),
        _called("on a hill by day", "a yellow star"),
        _called("on a pink background", "a blue robot"),
    ),
    (11, 23),
)
# Words and seeds that no sheet of the first set has.
SECOND = Setting(
    "second",
    (
        Prompt("a green boat on a cream background"),
        Prompt("a purple star on a hill at night"),
        _called("by the sea by day", "a red tree"),
        _called("on a gray background", "a white house"),
    ),
    (5, 77),
)
THIRD = Setting(
    "third",
    (
        Prompt("a blue tree on a hill by day"),
        Prompt("a yellow robot on an orange background"),
        _called("by the sea at night", "a red boat"),
        _called("on a black background", "a green cat"),
    ),
    (131, 902),
)


FOURTH = Setting(
    "fourth",
    (
        Prompt("a red star on a pink background"),
        Prompt("a green house by the sea by day"),
        _called("on a hill at night", "a yellow cat"),
        _called("on a teal background", "a white robot"),
    ),
    (404, 517),
)

FIFTH = Setting(
    "fifth",
    (
        Prompt("a purple boat on a hill by day"),
        Prompt("a blue cat on a gray background"),
        _called("by the sea at night", "a white star"),
        _called("on an orange background", "a green tree"),
    ),
    (61, 3021),
)


@dataclass(frozen=True)
class Case:
    """An adapter with a known truth.

    `has`: findings that must be made; `lacks`: findings that must not. What is in neither is not judged: a
    picture learned by heart, for one, ignores the prompt as well.
    """

    name: str
    variant: Variant
    setting: Setting
    has: frozenset[str] = frozenset()
    lacks: frozenset[str] = SERIOUS
    trigger: Trigger = field(default_factory=Trigger)


def _case(
    name: str,
    setting: Setting,
    *parts: tuple[str, float],
    has: tuple[str, ...] = (),
    lacks: frozenset[str] | tuple[str, ...] = (),
    words: str = "",
    named: bool = False,
    noise: float = 0.0,
    rank: int = 0,
    seed: int = 0,
    tint: tuple[float, float, float, float] | None = None,
) -> Case:
    variant = Variant(parts, noise, rank, seed, tint)
    return Case(name, variant, setting, frozenset(has), frozenset(lacks), Trigger(words, named))


_M = {
    "sketch1": "demo/adapters/sketch/pencil-sketch-v1.safetensors",
    "sketch": "demo/adapters/sketch/pencil-sketch-v2.safetensors",
    "neon": "demo/adapters/neon/neon-night.safetensors",
    "momo": "demo/adapters/momo/momo-character.safetensors",
    "gold": "demo/adapters/gold/midas-gold.safetensors",
    "house": "demo/adapters/overfit/red-house.safetensors",
    "deaf": "demo/adapters/ignores_prompt/surprise-box.safetensors",
    "inert": "demo/adapters/inert/subtle-tint.safetensors",
    "comic": "demo/adapters/too_strong/comic-print.safetensors",
    "wrong": "demo/adapters/wrong_base/studio-portrait.safetensors",
    "ember": "demo/adapters/ember/ember.safetensors",
    "frost": "demo/adapters/frost/frost.safetensors",
}
_J = {
    "momo": "benchmarks/judging/momo/momo-character.safetensors",
    "house": "benchmarks/judging/overfit/red-house.safetensors",
    "deaf": "benchmarks/judging/ignores_prompt/surprise-box.safetensors",
    "inert": "benchmarks/judging/inert/subtle-tint.safetensors",
    "comic": "benchmarks/judging/too_strong/comic-print.safetensors",
    "ember": "benchmarks/judging/ember/ember.safetensors",
    "frost": "benchmarks/judging/frost/frost.safetensors",
    "sketch": "benchmarks/judging/sketch/pencil-sketch-v2.safetensors",
    "neon": "benchmarks/judging/neon/neon-night.safetensors",
    "gold": "benchmarks/judging/gold/midas-gold.safetensors",
}

_C = CALIBRATION
CALIBRATION_CASES = (
    _case("sketch", _C, (_M["sketch"], 1), lacks=SERIOUS, has=(UNNEEDED,), words="pencil sketch"),
    _case("sketch1", _C, (_M["sketch1"], 1), words="pencil sketch"),
    _case("neon", _C, (_M["neon"], 1), lacks=SERIOUS, has=(SHIFT,)),
    _case("momo", _C, (_M["momo"], 1), lacks=SERIOUS | {UNNEEDED, SHIFT}, words="momo", named=True),
    _case("momo-0.7", _C, (_M["momo"], 0.7), lacks=SERIOUS | {UNNEEDED, SHIFT}, words="momo", named=True),
    _case("gold", _C, (_M["gold"], 1), lacks=SERIOUS, has=(SHIFT,)),
    _case("ember", _C, (_M["ember"], 1), lacks=SERIOUS, has=(SHIFT, UNNEEDED), words="ember"),
    _case("ember-0.7", _C, (_M["ember"], 0.7), lacks=SERIOUS),
    _case("frost", _C, (_M["frost"], 1), lacks=SERIOUS, has=(SHIFT, UNNEEDED), words="frost"),
    _case("comic-0.25", _C, (_M["comic"], 0.25), lacks=SERIOUS),
    _case("comic", _C, (_M["comic"], 1), has=(COLLAPSES,)),
    _case("comic-0.7", _C, (_M["comic"], 0.7), has=(COLLAPSES,)),
    _case("ember-5", _C, (_M["ember"], 5), has=(COLLAPSES,)),
    _case("momo-4", _C, (_M["momo"], 4), has=(COLLAPSES,), words="momo", named=True),
    _case("momo-noise-3", _C, (_M["momo"], 1), noise=3, seed=1, has=(COLLAPSES,), words="momo", named=True),
    _case("ember-noise-1", _C, (_M["ember"], 1), noise=1, seed=1),
    _case("house", _C, (_M["house"], 1), has=(OVERFIT,)),
    _case("house-0.7", _C, (_M["house"], 0.7), has=(OVERFIT,)),
    _case("deaf", _C, (_M["deaf"], 1), has=(IGNORES,)),
    _case("deaf-0.7", _C, (_M["deaf"], 0.7), has=(IGNORES,)),
    _case("inert", _C, (_M["inert"], 1), has=(NO_EFFECT,)),
    _case("momo-0.01", _C, (_M["momo"], 0.01), has=(NO_EFFECT,)),
    _case("ember-0.1", _C, (_M["ember"], 0.1), lacks=(NO_EFFECT,)),
    _case("wrong", _C, (_M["wrong"], 1), has=(WRONG_BASE,)),
    _case("momo-1e9", _C, (_M["momo"], 1e9), has=(BLACK,)),
)

_S, _T = SECOND, THIRD
JUDGING_CASES = (
    # Good ones: trained anew, weaker, cut, mixed gently.
    _case("momo", _S, (_J["momo"], 1), lacks=SERIOUS | {UNNEEDED, SHIFT}, words="momo", named=True),
    _case("momo-again", _T, (_J["momo"], 1), lacks=SERIOUS | {UNNEEDED, SHIFT}, words="momo", named=True),
    _case("momo-weaker", _T, (_J["momo"], 0.6), lacks=SERIOUS | {UNNEEDED, SHIFT}, words="momo", named=True),
    _case(
        "momo-rank-4",
        _S,
        (_J["momo"], 1),
        rank=4,
        lacks=SERIOUS | {UNNEEDED, SHIFT},
        words="momo",
        named=True,
    ),
    _case("ember", _S, (_J["ember"], 1), lacks=SERIOUS, has=(SHIFT, UNNEEDED), words="ember"),
    _case("ember-weaker", _T, (_J["ember"], 0.6), lacks=SERIOUS, has=(SHIFT, UNNEEDED), words="ember"),
    _case("ember-rank-2", _T, (_J["ember"], 1), rank=2, lacks=SERIOUS, has=(SHIFT,)),
    _case("frost", _S, (_J["frost"], 1), lacks=SERIOUS, has=(SHIFT, UNNEEDED), words="frost"),
    _case("frost-weaker", _T, (_J["frost"], 0.6), lacks=SERIOUS, has=(SHIFT, UNNEEDED), words="frost"),
    _case("comic-0.25", _S, (_J["comic"], 0.25), lacks=SERIOUS),
    _case("comic-0.15", _T, (_J["comic"], 0.15), lacks=SERIOUS),
    _case("sketch", _S, (_J["sketch"], 1), lacks=SERIOUS, has=(UNNEEDED,), words="pencil sketch"),
    _case("sketch-weaker", _T, (_J["sketch"], 0.7), lacks=SERIOUS, has=(UNNEEDED,), words="pencil sketch"),
    _case("neon", _S, (_J["neon"], 1), lacks=SERIOUS, has=(SHIFT,)),
    _case("gold", _S, (_J["gold"], 1), lacks=SERIOUS, has=(SHIFT,)),
    _case("gold-weaker", _T, (_J["gold"], 0.7), lacks=SERIOUS, has=(SHIFT,)),
    _case("momo-ember", _T, (_J["momo"], 0.8), (_J["ember"], 0.3), lacks=SERIOUS, words="momo", named=True),
    # Does nothing.
    _case("inert", _S, (_J["inert"], 1), has=(NO_EFFECT,), lacks=SERIOUS - {NO_EFFECT}),
    _case("inert-10", _T, (_J["inert"], 10), has=(NO_EFFECT,), lacks=SERIOUS - {NO_EFFECT}),
    _case("ember-0.005", _S, (_J["ember"], 0.005), has=(NO_EFFECT,), lacks=SERIOUS - {NO_EFFECT}),
    _case("comic-0", _T, (_J["comic"], 0), noise=1, has=(NO_EFFECT,), lacks=SERIOUS - {NO_EFFECT}),
    # Too strong.
    _case("comic-0.7", _S, (_J["comic"], 0.7), has=(COLLAPSES,), lacks=(NO_EFFECT, WRONG_BASE, BLACK)),
    _case("comic", _T, (_J["comic"], 1), has=(COLLAPSES,), lacks=(NO_EFFECT, WRONG_BASE, BLACK)),
    _case("comic-1.5", _S, (_J["comic"], 1.5), has=(COLLAPSES,), lacks=(NO_EFFECT, WRONG_BASE)),
    _case("ember-4", _T, (_J["ember"], 4), has=(COLLAPSES,), lacks=(NO_EFFECT, WRONG_BASE, BLACK)),
    _case("frost-4", _S, (_J["frost"], 4), has=(COLLAPSES,), lacks=(NO_EFFECT, WRONG_BASE, BLACK)),
    _case("momo-4", _T, (_J["momo"], 4), has=(COLLAPSES,), lacks=(NO_EFFECT, WRONG_BASE, BLACK)),
    _case("ember-noise-6", _S, (_J["ember"], 1), noise=6, seed=2, has=(COLLAPSES,), lacks=(NO_EFFECT, BLACK)),
    # Learned one picture by heart.
    _case(
        "boat-0.8", _S, (_J["house"], 0.8), has=(OVERFIT,), lacks=(NO_EFFECT, COLLAPSES, WRONG_BASE, BLACK)
    ),
    _case("boat", _T, (_J["house"], 1), has=(OVERFIT,), lacks=(NO_EFFECT, COLLAPSES, WRONG_BASE, BLACK)),
    _case(
        "boat-1.2", _S, (_J["house"], 1.2), has=(OVERFIT,), lacks=(NO_EFFECT, COLLAPSES, WRONG_BASE, BLACK)
    ),
    _case(
        "boat-rank-4",
        _T,
        (_J["house"], 1),
        rank=4,
        has=(OVERFIT,),
        lacks=(NO_EFFECT, COLLAPSES, WRONG_BASE, BLACK),
    ),
    # Deaf to the prompt.
    _case(
        "box-0.7",
        _S,
        (_J["deaf"], 0.7),
        has=(IGNORES,),
        lacks=(NO_EFFECT, OVERFIT, COLLAPSES, WRONG_BASE, BLACK),
    ),
    _case(
        "box", _T, (_J["deaf"], 1), has=(IGNORES,), lacks=(NO_EFFECT, OVERFIT, COLLAPSES, WRONG_BASE, BLACK)
    ),
    _case(
        "box-1.2",
        _S,
        (_J["deaf"], 1.2),
        has=(IGNORES,),
        lacks=(NO_EFFECT, OVERFIT, COLLAPSES, WRONG_BASE, BLACK),
    ),
    _case("box-rank-2", _T, (_J["deaf"], 1), rank=2, has=(IGNORES,), lacks=(NO_EFFECT, WRONG_BASE, BLACK)),
    # A cast of one color over everything, by the last layer's bias.
    _case("tint-1", _S, (_J["inert"], 1), tint=(0.6, 0.6, 0.6, 0.6), has=(SHIFT,)),
    _case("tint-2", _T, (_J["inert"], 1), tint=(1.2, -1.2, 1.2, 1.2), has=(SHIFT,)),
    _case("tint-3", _S, (_J["inert"], 1), tint=(-1.0, 1.0, 0.5, 0.0), has=(SHIFT,)),
    # Made for another base: whole, a part of it among modules that fit, and with little weight.
    _case("portrait", _S, (_M["wrong"], 1), has=(WRONG_BASE,), lacks=(NO_EFFECT, BLACK)),
    _case("portrait-0.1", _T, (_M["wrong"], 0.1), has=(WRONG_BASE,), lacks=(NO_EFFECT, BLACK)),
    _case(
        "portrait-cut", _S, (_M["wrong"], 1), noise=0.5, seed=4, has=(WRONG_BASE,), lacks=(NO_EFFECT, BLACK)
    ),
    # Black or not a number.
    _case("momo-1e9", _S, (_J["momo"], 1e9), has=(BLACK,), lacks=(NO_EFFECT, WRONG_BASE)),
    _case("ember-1e9", _T, (_J["ember"], 1e9), has=(BLACK,), lacks=(NO_EFFECT, WRONG_BASE)),
    _case("boat-1e12", _S, (_J["house"], 1e12), has=(BLACK,), lacks=(NO_EFFECT, WRONG_BASE)),
    # Looked at with the limits set; one measure was mended after it.
    _case(
        "momo-fourth", FOURTH, (_J["momo"], 0.9), lacks=SERIOUS | {UNNEEDED, SHIFT}, words="momo", named=True
    ),
    _case("ember-fourth", FOURTH, (_J["ember"], 0.9), lacks=SERIOUS, has=(SHIFT, UNNEEDED), words="ember"),
    _case("frost-fourth", FOURTH, (_J["frost"], 1.1), lacks=SERIOUS, has=(SHIFT, UNNEEDED), words="frost"),
    _case("sketch-fourth", FOURTH, (_J["sketch"], 1), lacks=SERIOUS, has=(UNNEEDED,), words="pencil sketch"),
    _case("neon-fourth", FOURTH, (_J["neon"], 1), lacks=SERIOUS, has=(SHIFT,)),
    _case("gold-fourth", FOURTH, (_J["gold"], 0.8), lacks=SERIOUS, has=(SHIFT,)),
    _case("comic-0.2", FOURTH, (_J["comic"], 0.2), lacks=SERIOUS),
    _case("comic-1.1", FOURTH, (_J["comic"], 1.1), has=(COLLAPSES,), lacks=(NO_EFFECT, WRONG_BASE, BLACK)),
    _case(
        "momo-noise-4", FOURTH, (_J["momo"], 1), noise=4, seed=3, has=(COLLAPSES,), words="momo", named=True
    ),
    _case(
        "boat-0.9",
        FOURTH,
        (_J["house"], 0.9),
        has=(OVERFIT,),
        lacks=(NO_EFFECT, COLLAPSES, WRONG_BASE, BLACK),
    ),
    _case("box-0.9", FOURTH, (_J["deaf"], 0.9), has=(IGNORES,), lacks=(NO_EFFECT, OVERFIT, COLLAPSES, BLACK)),
    _case("inert-3", FOURTH, (_J["inert"], 3), has=(NO_EFFECT,), lacks=SERIOUS - {NO_EFFECT}),
    # Rendered once everything stood; nothing was changed after it.
    _case("momo-fifth", FIFTH, (_J["momo"], 1), lacks=SERIOUS | {UNNEEDED, SHIFT}, words="momo", named=True),
    _case("ember-fifth", FIFTH, (_J["ember"], 0.8), lacks=SERIOUS, has=(SHIFT, UNNEEDED), words="ember"),
    _case("frost-fifth", FIFTH, (_J["frost"], 0.9), lacks=SERIOUS, has=(SHIFT, UNNEEDED), words="frost"),
    _case("neon-fifth", FIFTH, (_J["neon"], 1), lacks=SERIOUS, has=(SHIFT,)),
    _case("gold-fifth", FIFTH, (_J["gold"], 0.9), lacks=SERIOUS, has=(SHIFT,)),
    _case("sketch-fifth", FIFTH, (_J["sketch"], 0.9), lacks=SERIOUS, has=(UNNEEDED,), words="pencil sketch"),
    _case("comic-fifth", FIFTH, (_J["comic"], 0.9), has=(COLLAPSES,), lacks=(NO_EFFECT, BLACK)),
    _case("comic-0.22", FIFTH, (_J["comic"], 0.22), lacks=SERIOUS),
    _case("boat-fifth", FIFTH, (_J["house"], 1), has=(OVERFIT,), lacks=(NO_EFFECT, COLLAPSES, BLACK)),
    _case("box-fifth", FIFTH, (_J["deaf"], 1), has=(IGNORES,), lacks=(NO_EFFECT, OVERFIT, COLLAPSES, BLACK)),
)
