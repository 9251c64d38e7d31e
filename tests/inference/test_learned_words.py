"""Words learned with an adapter: prompts that use them against diffusers' own textual inversion."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from inference.errors import NonFiniteAdapter, UnsupportedAdapter, WrongBase
from tests.inference.adapters import Floats, random_floats
from tests.inference.family_batches import CLOSE, sampling

if TYPE_CHECKING:
    from torch import Tensor

    from inference.engine.ladder import Engine
    from inference.engine.words import Word

pytestmark = pytest.mark.engine

Engines = Callable[[str], "Engine"]
# family -> its text encoders: the name of OneTrainer's tensor, the component, the tokenizer, the width
ENCODERS = {
    "sd1": [("clip_l", "text_encoder", "tokenizer", 32)],
    "sd2": [("clip_l", "text_encoder", "tokenizer", 48)],
    "sdxl": [("clip_l", "text_encoder", "tokenizer", 32), ("clip_g", "text_encoder_2", "tokenizer_2", 40)],
    "flux1": [("clip_l", "text_encoder", "tokenizer", 32), ("t5", "text_encoder_2", "tokenizer_2", 24)],
}
LAYERS = {
    "sd1": "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
    "sd2": "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
    "sdxl": "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
    "sd3_medium": "transformer.transformer_blocks.0.attn.to_q",
    "flux1": "transformer.transformer_blocks.0.attn.to_q",
}
TEXT = "a drawing of <ink><ink> and momo, by day"


def adapter(family: str, path: Path, words: dict[str, Floats], *, strength: float = 0.3) -> Path:
    """A LoRA of one layer, and these tensors beside it."""
    layer = LAYERS[family]
    factors = {
        f"{layer}.lora_A.weight": random_floats(1, 4, 32, scale=strength),
        f"{layer}.lora_B.weight": random_floats(2, 32, 4, scale=strength),
    }
    save_file(factors | words, path)
    return path


def bundled(family: str, *words: tuple[str, int], seed: int = 5) -> dict[str, Floats]:
    """The words (name, number of vectors) as OneTrainer bundles them, for every encoder of the family."""
    found = {}
    for word, count in words:
        for encoder, (name, _, _, width) in enumerate(ENCODERS[family]):
            vectors = random_floats(seed + encoder + count, count, width, scale=1.0)
            found[f"bundle_emb.{word}.{name}"] = vectors
    return found


def states(engine: Engine, text: str) -> tuple[Tensor, Tensor | None]:
    import torch

    with torch.inference_mode():
        found = engine.family.embed([text], "", 1.0, 1)
    return found.states, found.pooled


def with_words(engine: Engine, file: Path, text: str, weight: float = 1.0) -> tuple[Tensor, Tensor | None]:
    """What a prompt says while the adapter is applied."""
    from inference.engine.block_weights import everywhere

    with engine.patcher.applied([(engine.load_adapter(file), everywhere(weight))]):
        return states(engine, text)


# --- Against diffusers ---


@pytest.mark.parametrize("family", ENCODERS)
def test_a_prompt_with_learned_words_is_what_it_is_in_diffusers(
    engines: Engines, tmp_path: Path, family: str
) -> None:
    import torch

    from tests.inference.tiny_families import tiny_pipeline_of

    tensors = bundled(family, ("<ink>", 3), ("momo", 1))
    file = adapter(family, tmp_path / "a.safetensors", tensors)
    ours, pooled = with_words(engines(family), file, TEXT)
    pipeline = tiny_pipeline_of(family)
    for word in ("<ink>", "momo"):
        for name, component, tokenizer, _ in ENCODERS[family]:
            pipeline.load_textual_inversion(
                torch.from_numpy(tensors[f"bundle_emb.{word}.{name}"].copy()),
                token=word,
                tokenizer=getattr(pipeline, tokenizer),
                text_encoder=getattr(pipeline, component),
            )
    given = pipeline.encode_prompt(TEXT, device="cpu", **({} if family == "flux1" else GUIDANCE))
    theirs, their_pooled = given[0], {"sdxl": given[2:3], "flux1": given[1:2]}.get(family, (None,))[0]
    torch.testing.assert_close(ours, theirs, atol=CLOSE, rtol=0)
    if their_pooled is not None:
        torch.testing.assert_close(pooled, their_pooled, atol=CLOSE, rtol=0)
    plain, _ = states(engines(family), TEXT)
    assert (plain - ours).abs().max() > 100 * CLOSE


GUIDANCE = {"do_classifier_free_guidance": False, "num_images_per_prompt": 1}


# --- When words count ---


def test_the_words_of_an_adapter_count_at_every_weight_but_0_and_only_while_it_is_applied(
    engines: Engines, tmp_path: Path
) -> None:
    engine = engines("sd1")
    file = adapter("sd1", tmp_path / "a.safetensors", bundled("sd1", ("<ink>", 2)))
    before, _ = states(engine, TEXT)
    at = {weight: with_words(engine, file, TEXT, weight)[0] for weight in (0.0, 0.4, 1.0)}
    after, _ = states(engine, TEXT)
    assert before.equal(at[0.0])
    assert before.equal(after)
    assert at[0.4].equal(at[1.0])
    assert not before.allclose(at[1.0], atol=1e-2)


def test_pictures_of_the_base_never_know_the_words(engines: Engines, tmp_path: Path) -> None:
    engine, how, texts = engines("sd1"), sampling("sd1"), ["<ink> on a hill", "a cat"]
    loaded = engine.load_adapter(adapter("sd1", tmp_path / "a.safetensors", bundled("sd1", ("<ink>", 2))))
    base = [picture.digest for picture in engine.render(texts, [3, 3], how)]
    shown = [picture.digest for picture in engine.render_adapter(texts, [3, 3], how, loaded, 0.8)]
    silent = [picture.digest for picture in engine.render_adapter(texts, [3, 3], how, loaded, 0.0)]
    control = [picture.digest for picture in engine.render_control(texts, [3, 3], how, [loaded])]
    assert base == silent == control
    assert base == [picture.digest for picture in engine.render(texts, [3, 3], how)]
    assert all(one != other for one, other in zip(base, shown, strict=True))


def test_a_word_alone_changes_the_picture(engines: Engines, tmp_path: Path) -> None:
    engine, how, texts = engines("sd1"), sampling("sd1"), ["<ink> on a hill", "a cat"]
    file = adapter("sd1", tmp_path / "a.safetensors", bundled("sd1", ("<ink>", 2)), strength=0.0)
    base = [picture.digest for picture in engine.render(texts, [3, 3], how)]
    shown = engine.render_adapter(texts, [3, 3], how, engine.load_adapter(file), 0.8)
    assert [one == other.digest for one, other in zip(base, shown, strict=True)] == [False, True]


def test_an_error_while_rendering_takes_the_words_out_again(engines: Engines, tmp_path: Path) -> None:
    from inference.engine.block_weights import everywhere

    engine = engines("sd1")
    loaded = engine.load_adapter(adapter("sd1", tmp_path / "a.safetensors", bundled("sd1", ("<ink>", 2))))
    before, _ = states(engine, TEXT)
    with pytest.raises(ZeroDivisionError), engine.patcher.applied([(loaded, everywhere(1.0))]):
        raise ZeroDivisionError
    assert states(engine, TEXT)[0].equal(before)


def test_several_adapters_bring_their_words_together(engines: Engines, tmp_path: Path) -> None:
    from inference.engine.block_weights import everywhere

    engine = engines("sdxl")
    one = engine.load_adapter(adapter("sdxl", tmp_path / "a.safetensors", bundled("sdxl", ("<ink>", 2))))
    two = engine.load_adapter(adapter("sdxl", tmp_path / "b.safetensors", bundled("sdxl", ("momo", 1))))
    both = adapter("sdxl", tmp_path / "c.safetensors", bundled("sdxl", ("<ink>", 2), ("momo", 1)))
    expected, _ = with_words(engine, both, TEXT)
    with engine.patcher.applied([(one, everywhere(0.3)), (two, everywhere(0.5))]):
        assert states(engine, TEXT)[0].equal(expected)
    with engine.patcher.applied([(one, everywhere(0.0)), (two, everywhere(0.5))]):
        momo, ink = states(engine, "momo")[0], states(engine, "<ink>")[0]
    assert momo.equal(with_words(engine, tmp_path / "b.safetensors", "momo")[0])
    assert ink.equal(states(engine, "<ink>")[0])


def test_one_word_learned_twice_is_refused_unless_it_is_the_same(engines: Engines, tmp_path: Path) -> None:
    from inference.engine.block_weights import everywhere

    engine = engines("sd1")
    one = engine.load_adapter(adapter("sd1", tmp_path / "a.safetensors", bundled("sd1", ("<s1>", 1))))
    other = engine.load_adapter(
        adapter("sd1", tmp_path / "b.safetensors", bundled("sd1", ("<S1>", 1), seed=9))
    )
    with engine.patcher.applied([(one, everywhere(0.5)), (one, everywhere(0.2))]):
        pass
    with engine.patcher.applied([(one, everywhere(0.5)), (other, everywhere(0.0))]):
        pass
    before, _ = states(engine, "<s1>")
    with (
        pytest.raises(UnsupportedAdapter, match="one thing only"),
        engine.patcher.applied([(one, everywhere(0.5)), (other, everywhere(0.5))]),
    ):
        pass
    assert states(engine, "<s1>")[0].equal(before)


# --- How words are read ---


def test_the_base_keeps_its_own_embeddings(engines: Engines, tmp_path: Path) -> None:
    engine = engines("sd1")
    table = engine.base.text_encoders["text_encoder"].get_input_embeddings().weight
    before = table.clone()
    with_words(
        engine, adapter("sd1", tmp_path / "a.safetensors", bundled("sd1", ("<ink>", 2))), "<ink> by <ink>"
    )
    assert table.equal(before)


@pytest.mark.parametrize(
    ("text", "same", "as_plain"),
    [
        ("a Momo", "a momo", False),
        ("a momoko", "a momoko", True),
        ("a (momo:1.0)", "a momo", False),
        ("momo, momo", "momo , momo", False),
    ],
)
def test_a_word_is_found_where_it_stands_alone_in_any_capitals(
    engines: Engines, tmp_path: Path, text: str, same: str, as_plain: bool
) -> None:
    engine = engines("sd1")
    file = adapter("sd1", tmp_path / "a.safetensors", bundled("sd1", ("momo", 2)))
    given, _ = with_words(engine, file, text)
    assert given.equal(with_words(engine, file, same)[0])
    assert given.equal(states(engine, text)[0]) is as_plain


def test_emphasis_weighs_a_learned_word(engines: Engines, tmp_path: Path) -> None:
    engine = engines("sd1")
    file = adapter("sd1", tmp_path / "a.safetensors", bundled("sd1", ("<ink>", 2)))
    plain, weighed = (with_words(engine, file, text)[0] for text in ("a <ink>", "a (<ink>:1.5)"))
    ratio = (weighed / plain)[0, :, 0]
    # Start, "a", two vectors: the mean of all is kept, so all are divided by the same.
    assert (ratio[2:4] / ratio[0]).tolist() == pytest.approx([1.5, 1.5], rel=1e-4)
    assert (ratio[1] / ratio[0]).item() == pytest.approx(1.0, rel=1e-4)


def test_a_word_that_a_chunk_has_no_room_for_begins_the_next_one(engines: Engines, tmp_path: Path) -> None:
    import torch

    engine = engines("sd1")
    file = adapter("sd1", tmp_path / "a.safetensors", bundled("sd1", ("<ink>", 4)))
    # 73 tokens of a letter each, and two places left.
    found, _ = with_words(engine, file, "a" * 73 + "<ink>b")
    first, second = states(engine, "a" * 73)[0], with_words(engine, file, "<ink>b")[0]
    torch.testing.assert_close(found, torch.cat([first, second], dim=1), atol=CLOSE, rtol=0)


def test_a_word_of_more_vectors_than_a_chunk_holds_goes_on_in_the_next(
    engines: Engines, tmp_path: Path
) -> None:
    engine = engines("sd1")
    file = adapter("sd1", tmp_path / "a.safetensors", bundled("sd1", ("<ink>", 80)))
    assert with_words(engine, file, "<ink>")[0].shape[1] == 2 * 77


def test_what_onetrainer_learned_behind_the_encoder_stands_there(engines: Engines, tmp_path: Path) -> None:
    engine = engines("sdxl")
    outputs = random_floats(3, 2, 40)
    file = adapter("sdxl", tmp_path / "a.safetensors", {"bundle_emb.<ink>.clip_g_out": outputs})
    found, _ = with_words(engine, file, "a <ink>")
    # The second encoder's 40 numbers follow the first one's 32; the word is at places 2 and 3.
    np.testing.assert_array_equal(found[0, 2:4, 32:].numpy(), outputs)
    # The first encoder has no vectors of it and reads letters.
    np.testing.assert_array_equal(found[0, :, :32].numpy(), states(engine, "a <ink>")[0][0, :, :32].numpy())


# --- How files spell them ---


@pytest.mark.parametrize(
    ("family", "tensors", "expected"),
    [
        ("sd1", {"bundle_emb.a.b.string_to_param.*": (2, 32)}, {("text_encoder", "a.b"): 2}),
        ("sd1", {"bundle_emb.ink.emb_params": (3, 32)}, {("text_encoder", "ink"): 3}),
        ("sd1", {"<s1>": (32,), "<s2>": (32,)}, {("text_encoder", "<s1>"): 1, ("text_encoder", "<s2>"): 1}),
        (
            "sdxl",
            {"bundle_emb.ink.clip_l": (2, 32), "bundle_emb.ink.clip_g": (2, 40)},
            {("text_encoder", "ink"): 2, ("text_encoder_2", "ink"): 2},
        ),
        ("sdxl", {"bundle_emb.ink.clip_g_out": (2, 40)}, {("text_encoder_2", "ink"): 2}),
        (
            "flux1",
            {"bundle_emb.ink.clip_l": (1, 32), "bundle_emb.ink.t5": (1, 24)},
            {("text_encoder", "ink"): 1, ("text_encoder_2", "ink"): 1},
        ),
        (
            "sd3_medium",
            {"bundle_emb.ink.clip_g": (1, 40), "bundle_emb.ink.t5": (1, 72)},
            {("text_encoder_2", "ink"): 1, ("text_encoder_3", "ink"): 1},
        ),
        (
            "sdxl",
            {"clip_l": (2, 32), "clip_g": (2, 40)},
            {(f"text_encoder{n}", f"<s{row}>"): 1 for n in ("", "_2") for row in (0, 1)},
        ),
        (
            "sdxl",
            {"text_encoders_0": (1, 32), "text_encoders_1": (1, 40)},
            {("text_encoder", "<s0>"): 1, ("text_encoder_2", "<s0>"): 1},
        ),
    ],
)
def test_every_spelling_leads_to_its_text_encoder(
    engines: Engines, tmp_path: Path, family: str, tensors: dict[str, Any], expected: dict[Any, int]
) -> None:
    arrays = {name: random_floats(n, *shape) for n, (name, shape) in enumerate(tensors.items())}
    words = engines(family).load_adapter(adapter(family, tmp_path / "a.safetensors", arrays)).words
    found = {(component, word): len(w) for component, known in words.items() for word, w in known.items()}
    assert found == expected


def test_pivotal_tokens_are_the_rows_in_order(engines: Engines, tmp_path: Path) -> None:
    rows = random_floats(4, 3, 32)
    words: dict[str, Word] = dict(
        engines("sd1")
        .load_adapter(adapter("sd1", tmp_path / "a.safetensors", {"clip_l": rows}))
        .words["text_encoder"]
    )
    assert list(words) == ["<s0>", "<s1>", "<s2>"]
    for row, word in zip(rows, words.values(), strict=True):
        np.testing.assert_array_equal(word.inputs[0].numpy(), row)


# --- What is refused ---


@pytest.mark.parametrize(
    ("tensors", "error", "told"),
    [
        ({"bundle_emb.ink.clip_g": (1, 32)}, WrongBase, "vectors for clip_g, which this base lacks"),
        ({"bundle_emb.ink.t5": (1, 32)}, WrongBase, "vectors for t5, which this base lacks"),
        (
            {"bundle_emb.ink.clip_l": (1, 48)},
            WrongBase,
            "vectors of 48 numbers; the base's text encoder takes",
        ),
        ({"bundle_emb.ink.llama": (1, 32)}, UnsupportedAdapter, "not known which text encoder the 'llama'"),
        ({"bundle_emb.ink.clip_l": (0, 32)}, UnsupportedAdapter, "has no vectors"),
        (
            {"bundle_emb.ink.clip_l": (1, 32), "bundle_emb.ink.clip_l_out": (2, 32)},
            UnsupportedAdapter,
            "unlike vectors",
        ),
    ],
)
def test_words_that_would_not_be_shown_truly_are_refused_before_any_pixel(
    engines: Engines, tmp_path: Path, tensors: dict[str, Any], error: type[Exception], told: str
) -> None:
    arrays = {name: random_floats(1, *shape) for name, shape in tensors.items()}
    with pytest.raises(error, match=re.escape(told)):
        engines("sd1").load_adapter(adapter("sd1", tmp_path / "a.safetensors", arrays))


def test_a_word_that_is_not_finite_is_refused(engines: Engines, tmp_path: Path) -> None:
    broken = np.full((1, 32), np.nan, np.float32)
    with pytest.raises(NonFiniteAdapter, match="'ink' holds NaN"):
        engines("sd1").load_adapter(
            adapter("sd1", tmp_path / "a.safetensors", {"bundle_emb.ink.clip_l": broken})
        )


def test_a_transformer_without_t5_does_without_its_vectors(engines: Engines) -> None:
    from inference.engine.words import fit_words

    modules = {name: part for name, part in engines("sd3_medium").base.modules.items() if name[-1] != "3"}
    learned = {"ink": {"bundle_emb.ink.clip_l": np.ones((1, 32)), "bundle_emb.ink.t5": np.ones((1, 72))}}
    assert {component: list(known) for component, known in fit_words(learned, modules).items()} == {
        "text_encoder": ["ink"]
    }
