"""Sheets of adapters that bring words of their own: who reads them, and which cells stay shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load, save

from inference import warm_bases
from inference.models import Sheet, SheetState
from inference.recipes import Prompt, library
from inference.render import render_sheet
from inference.services import plan_sheet
from inference.shown import learned_words, trigger_of
from registry.models import File, Inspection, Version
from registry.weights import inspect_file
from tests.inference.adapters import random_floats
from tests.inference.rows import kohya_lora, make_base, make_version

PROMPTS = (Prompt("a cat"), Prompt("{subject} on a hill", subject="a star", takes_trigger=True))


def with_words(*words: str) -> bytes:
    """The LoRA of `kohya_lora` with words of two vectors as LyCORIS bundles them."""
    vectors = {
        f"bundle_emb.{word}.string_to_param.*": random_floats(n, 2, 16, scale=1.0)
        for n, word in enumerate(words, start=40)
    }
    return save(load(kohya_lora()) | vectors)


def inspected(version: Version, data: bytes, path: Path) -> File:
    """The version's file with what is read of it, as taking it in leaves it."""
    path.write_bytes(data)
    found = inspect_file(path)
    file = version.files.get()
    Inspection.objects.create(
        blob=file.blob, reader="1", valid=found.valid, kind=found.kind, data=found.as_dict()
    )
    return file


@pytest.mark.database
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stated", "words", "expected"),
    [
        ([], ["ink"], "ink"),
        (["momo"], ["brush", "ink"], "momo, brush"),
        (["momo in INK style"], ["ink"], "momo in INK style"),
        # Inside of a longer word it would not be found in the prompt.
        (["drinking momo"], ["ink"], "drinking momo, ink"),
        (["momo"], ["<s1>", "<s2>"], "momo, <s1><s2>"),
        (["momo"], [], "momo"),
    ],
)
def test_a_word_that_the_file_brings_goes_along_with_the_trigger_words(
    tmp_path: Path, stated: list[str], words: list[str], expected: str
) -> None:
    data = with_words(*words)
    version = make_version(data, trigger_words=stated)
    learned = learned_words(inspected(version, data, tmp_path / "a.safetensors"))
    assert learned == words
    assert trigger_of(version, learned).words == expected


@pytest.mark.engine
@pytest.mark.database
@pytest.mark.django_db
class TestRendered:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
        monkeypatch.setitem(library.FAMILIES, "toybox", library.Native(16, 2, 3.0, PROMPTS))
        settings.INFERENCE_THREADS = 1
        yield
        warm_bases.forget_engine()

    def rendered(self, data: bytes, tmp_path: Path, name: str) -> Sheet:
        version = make_version(data, name=name, trigger_words=["ink"])
        inspected(version, data, tmp_path / f"{name}.safetensors")
        sheet = plan_sheet(version=version)
        render_sheet(sheet.pk)
        sheet.refresh_from_db()
        assert sheet.state == SheetState.DONE
        return sheet

    def test_the_words_show_in_the_adapters_cells_and_base_cells_stay_shared(
        self, tiny_base: Path, tmp_path: Path
    ) -> None:
        make_base(tiny_base)
        silent = self.rendered(kohya_lora(), tmp_path, "silent")
        speaking = self.rendered(with_words("ink"), tmp_path, "speaking")
        assert speaking.manifest["control"]["equal"] is True
        one, other = (
            {(p.row, p.column): p.cell for p in sheet.places.select_related("cell")}
            for sheet in (silent, speaking)
        )
        triggered = {number for number, row in enumerate(silent.plan["rows"]) if "ink" in row["text"]}
        assert triggered
        assert len(triggered) < len(silent.plan["rows"])
        for (row, column), cell in one.items():
            same = cell.facts["digest"] == other[row, column].facts["digest"]
            if column == 0:
                assert cell.key == other[row, column].key
            elif column > 1:
                assert cell.key != other[row, column].key
            # Rows without the word are those of the same LoRA without it, and so are base and control.
            assert same is (column <= 1 or row not in triggered)
