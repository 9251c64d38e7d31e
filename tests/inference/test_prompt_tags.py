"""Adapter tags: the text a model reads no longer has them, and each says what AUTOMATIC1111 would do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import BadPromptTag
from inference.prompt_tags import AdapterTag, parse_tags

VECTOR = "1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0"


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("<lora:ink>", AdapterTag("ink")),
        ("<lora:ink:0.7>", AdapterTag("ink", 0.7, 0.7)),
        ("<lora:ink:0.3:0.9>", AdapterTag("ink", 0.3, 0.9)),
        ("<lora:ink:-0.3:.9:8>", AdapterTag("ink", -0.3, 0.9, 8)),
        ("<lora:ink:unet=0.5>", AdapterTag("ink", 1.0, 0.5)),
        # te= speaks for both where the UNet's weight is not given.
        ("<lora:ink:te=0.2>", AdapterTag("ink", 0.2, 0.2)),
        ("<lora:ink:1:te=0>", AdapterTag("ink", 0.0, 0.0)),
        ("<lora:ink:0.8:dyn=4>", AdapterTag("ink", 0.8, 0.8, 4)),
        ("<lyco:ink v1.2 (final):2.5>", AdapterTag("ink v1.2 (final)", 2.5, 2.5)),
        ("<lora:ink:1:0.5:lbw=MIDD>", AdapterTag("ink", 1.0, 0.5, None, "MIDD")),
        (f"<lora:ink:0.8:lbw={VECTOR}>", AdapterTag("ink", 0.8, 0.8, None, VECTOR)),
        ("<lora:ink:0.8:OUTALL>", AdapterTag("ink", 0.8, 0.8, None, "OUTALL")),
        (f"<lora:ink:0.8:{VECTOR}>", AdapterTag("ink", 0.8, 0.8, None, VECTOR)),
    ],
)
def test_a_tag_says_what_it_says_in_automatic1111(tag: str, expected: AdapterTag) -> None:
    assert parse_tags(f"a cat, {tag}, ink wash") == ("a cat, , ink wash", (expected,))


def test_several_tags_are_taken_in_order_and_other_angles_stay() -> None:
    text, tags = parse_tags("<lora:a:1> <s1> a <b> <lora:b:0.5>")
    assert text == " <s1> a <b> "
    assert [tag.name for tag in tags] == ["a", "b"]


@pytest.mark.parametrize(
    "tag",
    ["<lora::1>", "<lora:ink:strong>", "<lora:ink:nan>", "<lora:ink:inf>", "<lora:ink:1:1:0>",
     "<lora:ink:1:1:8:9>", "<lora:ink:1:start=5>", "<lora:ink:1:lbwe=X>", "<lora:ink:1:lbw=1,2,3>",
     "<lora:ink:1:lbw=NOSUCH>", "<lora:ink:1:lbw=" + ",".join(["R"] * 17) + ">"],
)  # fmt: skip
def test_what_cannot_be_honored_is_refused_rather_than_dropped(tag: str) -> None:
    with pytest.raises(BadPromptTag):
        parse_tags(tag)


@given(st.text(max_size=60), st.floats(-4, 4), st.floats(-4, 4))
def test_any_weights_come_back_as_written(text: str, text_encoder: float, unet: float) -> None:
    plain = text.replace("<", "").replace(">", "")
    found, (tag,) = parse_tags(f"{plain}<lora:x:{text_encoder!r}:{unet!r}>")
    assert (found, tag.text_encoder, tag.unet) == (plain, text_encoder, unet)
