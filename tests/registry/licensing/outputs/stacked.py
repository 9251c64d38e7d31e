"""A stack for the tests of outputs: a base and two adapters, credited by license and by flags."""

from __future__ import annotations

from typing import Any

from registry.licensing import AdapterTerms, Question, Verdict, decide
from registry.licensing.outputs.parts import Part, PartFile
from tests.registry.licensing.asking import OPEN_FLAGS

SELL = "generate_and_sell_images"
RAIL = "creativeml-openrail-plusplus-m"
CREDIT_FLAGS = {**OPEN_FLAGS, "allowNoCredit": False}
BASE = Part("base", "SDXL 1.0", creator="stabilityai", url="https://huggingface.co/stabilityai/sdxl")
INK = Part(
    "adapter:1",
    "Ink Lines",
    creator="mika",
    version="v1.0",
    url="https://civitai.com/models/7",
    creator_url="https://civitai.com/user/mika",
    weight=0.8,
    declared="CC-BY-4.0",
    purl="pkg:generic/ink-lines@v1.0",
    files=(PartFile("ink.safetensors", "ab" * 32, 1000),),
    evidence=("snapshot 3: file:card.json sha256:" + "cd" * 32,),
)
GOLD = Part("adapter:2", "Gold Leaf", creator="ken", url="https://civitai.com/models/8", weight=1.0)
PARTS = (BASE, INK, GOLD)


def decided(act: str = SELL, *terms: AdapterTerms, base: str | None = RAIL, **more: Any) -> Verdict:
    adapters = terms or (AdapterTerms("CC-BY-4.0"), AdapterTerms(civitai=CREDIT_FLAGS))
    return decide(Question(act, base_license=base, adapters=adapters, **more))
