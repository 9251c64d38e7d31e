"""A small real CLIP tokenizer: OpenAI's byte-pair merges, cut down to those the toybox's words need."""

from __future__ import annotations

import gzip
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from transformers import CLIPTokenizer

from demo.draw import COLORS, FILLERS, PLAIN, THINGS
from demo.training.models import Tokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
_COMMON = """
a an the on by at in of with and picture background hill sea day night momo sketch pencil neon gold
golden comic ember frost style glow paper line photo painting portrait worst bad low blurry ugly
text watermark noise big small dark light bright old new dog car fish flower ball heart bird moon
sun sky snow forest city man woman girl boy hat scarf orange brown pink character creature cartoon
toy toybox color colors print fire ice water grass tall round soft warm cold two three one many no
"""
WORDS = (
    *THINGS,
    *COLORS,
    *PLAIN,
    *(word for filler in FILLERS for word in filler.split()),
    *_COMMON.split(),
)
"""Each of these becomes one token; any other word falls into smaller pieces and can still be read."""


def byte_alphabet() -> list[str]:
    """The 256 printable stand-ins for bytes, in CLIP's order (GPT-2's byte table)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


def read_merges(bpe: Path) -> list[tuple[str, str]]:
    """The merges of CLIP's `bpe_simple_vocab_16e6.txt.gz` (MIT, as open_clip ships it), best first."""
    lines = gzip.decompress(bpe.read_bytes()).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    pairs = [tuple(line.split()) for line in lines]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def needed_merges(words: tuple[str, ...], merges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The merges that take part in spelling any of the words, in their old order."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    used: set[tuple[str, str]] = set()
    for word in words:
        for chunk in re.findall(r"[a-z]+", word.lower()):
            pieces = [*chunk[:-1], f"{chunk[-1]}</w>"]
            while len(pieces) > 1:
                pairs = [
                    (ranks.get((a, b), len(ranks)), index) for index, (a, b) in enumerate(pairwise(pieces))
                ]
                rank, index = min(pairs)
                if rank == len(ranks):
                    break
                used.add(merges[rank])
                pieces[index : index + 2] = [pieces[index] + pieces[index + 1]]
    return [pair for pair in merges if pair in used]


def build_tokenizer(bpe: Path) -> Tokenizer:
    """The toybox's tokenizer; ids follow CLIP's order: bytes, bytes at a word's end, merges, start, end."""
    letters = byte_alphabet()
    merges = needed_merges(WORDS, read_merges(bpe))
    # A merge needs both halves in the vocabulary; halves are letters or the product of an earlier used merge.
    pieces = [
        *letters,
        *(f"{letter}</w>" for letter in letters),
        *("".join(pair) for pair in merges),
        START,
        END,
    ]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    maker: Any = CLIPTokenizer
    return maker(
        vocab=vocabulary, merges=merges, unk_token=END, bos_token=START, eos_token=END, pad_token=END,
        model_max_length=77,
    )  # fmt: skip
