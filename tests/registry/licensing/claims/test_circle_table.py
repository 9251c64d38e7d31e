"""The circle and cross table, in the layouts and marks that Japanese cards use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.licensing.civitai import flag_cell, parse_flags
from registry.licensing.claims.circle_table import parse_circle_table

# Each line of the table, in words seen on cards, with the flag it maps to.
LINES = {
    "allowNoCredit": "クレジットを入れずに使用する",
    "Image": "生成した画像を販売する",
    "RentCivit": "Civitaiの生成サービスで使用する",
    "Rent": "有料の画像生成サービスで使用する",
    "allowDerivatives": "このモデルを使ったマージモデルを共有する",
    "Sell": "このモデル、またはこのモデルをマージしたモデルを販売する",
    "allowDifferentLicense": "このモデルをマージしたモデルに異なる権限を設定する",
}
USES = ("Image", "RentCivit", "Rent", "Sell")


def expected(marks: dict[str, bool]) -> dict[str, object]:
    flags: dict[str, object] = {name: mark for name, mark in marks.items() if name not in USES}
    stated = [use for use in USES if use in marks]
    if stated:
        flags["allowCommercialUse"] = [use for use in stated if marks[use]]
        if len(stated) < len(USES):
            flags["unstatedCommercialUse"] = [use for use in USES if use not in marks]
    return flags


@given(
    marks=st.dictionaries(st.sampled_from(sorted(LINES)), st.booleans(), min_size=1),
    yes=st.sampled_from(["○", "◯", "〇", "⭕️", "✓", "✔️", "✅", "OK", "ok", "ＯＫ", "可"]),
    no=st.sampled_from(["×", "✕", "✖", "✗", "❌", "NG", "ＮＧ", "不可", "禁止"]),
    layout=st.sampled_from(["{mark} {line}", "{mark}：{line}", "{line}: {mark}", "| {line} | {mark} |",
                            "|{mark}|{line}|", "- {line} {mark}", "<td>{mark}</td><td>{line}</td>"]),
    order=st.randoms(use_true_random=False),
)  # fmt: skip
def test_every_mark_in_every_layout_and_order_says_the_same(
    marks: dict[str, bool], yes: str, no: str, layout: str, order: object
) -> None:
    rows = [layout.format(mark=yes if mark else no, line=LINES[name]) for name, mark in marks.items()]
    order.shuffle(rows)  # type: ignore[attr-defined]
    table = parse_circle_table("\n".join(rows))
    assert table.flags == expected(marks)
    assert table.unread == () and len(table.lines) == len(marks)


@pytest.mark.parametrize("separate", ["{mark}\n{line}", "{line}\n{mark}"])
def test_marks_on_lines_of_their_own_go_with_the_line_below_or_above(separate: str) -> None:
    marks = {"allowNoCredit": True, "Image": False, "Rent": False, "allowDerivatives": True}
    text = "\n".join(separate.format(mark="○" if m else "×", line=LINES[name]) for name, m in marks.items())
    assert parse_circle_table(text).flags == expected(marks)


def test_a_missing_line_is_not_a_cross() -> None:
    flags = parse_flags(parse_circle_table("○ 生成した画像を販売する").flags)
    assert flag_cell(flags, "generate_and_sell_images", bespoke=False).status == "conditional"
    assert flag_cell(flags, "run_as_paid_service", bespoke=False).status == "silent"
    assert flag_cell(flags, "sell_adapter", bespoke=False).status == "silent"
    assert flag_cell(flags, "redistribute_derivative", bespoke=False).status == "silent"


def test_a_line_printed_in_two_languages_counts_once() -> None:
    table = parse_circle_table(
        "<tr><td>✅</td><td>このモデルのクレジットを入れずに使用する<br>\n"
        "Use the model without crediting the creator</td></tr>\n"
        "<tr><td>❌</td><td>このモデルを商用の画像生成サービスで利用する</br>\n"
        "Run on services that generate images for money</td></tr>"
    )
    assert table.flags == expected({"allowNoCredit": True, "Rent": False})
    assert table.unread == ()


def test_the_check_and_the_cross_that_pages_draw_are_marks() -> None:
    check = '<svg class="w-6"><path d="M4.5 12.75l6 6 9-13.5" /></svg>'
    cross = '<svg class="w-6"><path d="M6 18L18 6M6 6l12 12" /></svg>'
    table = parse_circle_table(
        f"<td><span>{check}</span></td><td>Sell images they generate</td>\n"
        f"<td><span>{cross}</span></td><td>Sell this model or merges using this model</td>"
    )
    assert table.flags == expected({"Image": True, "Sell": False})


def test_prose_between_the_lines_is_left_unread_and_changes_nothing() -> None:
    table = parse_circle_table(
        "OK　クレジットを入れずにモデルを使用する\n"
        "生成画像にクレジットの有無は問いません、マージ素材としても有無は問いませんがあると喜びます\n"
        "OK　生成した画像を販売する\n"
        "NG　このモデルまたはこのモデルを使ったマージモデルを販売する\n"
    )
    assert table.flags == expected({"allowNoCredit": True, "Image": True, "Sell": False})
    assert len(table.unread) == 1


@pytest.mark.parametrize("mark", ["△", "?", "要相談"])
def test_a_mark_that_is_neither_leaves_the_line_unread(mark: str) -> None:
    table = parse_circle_table(f"{mark} 生成した画像を販売する")
    assert not table.understood and len(table.unread) == 1


def test_of_two_lines_that_contradict_each_other_the_refusal_counts_and_the_line_is_shown() -> None:
    table = parse_circle_table("○ 生成した画像を販売する\n× 生成した画像を商用利用する")
    assert table.flags["allowCommercialUse"] == []
    assert table.unread == ("× 生成した画像を商用利用する",)


def test_a_demand_for_credit_is_the_opposite_of_its_waiver() -> None:
    assert parse_circle_table("○ クレジット表記が必須").flags == {"allowNoCredit": False}
    assert parse_circle_table("クレジット表記 ○").flags == {}


def test_refused_commerce_refuses_every_use_and_granted_commerce_says_too_little() -> None:
    refused = parse_circle_table("商用利用：×")
    assert refused.flags["allowCommercialUse"] == [] and refused.unread == ()
    granted = parse_circle_table("商用利用：○")
    assert (granted.flags == {} and granted.unread == ("商用利用:○",)) or granted.unread == ("商用利用：○",)


def test_a_cross_at_redistribution_is_a_ban_that_no_flag_holds() -> None:
    table = parse_circle_table("× 再配布\n○ 生成した画像を販売する")
    assert table.forbidden == ("redistribute_adapter",)


@given(st.text(max_size=400))
def test_any_text_is_read_without_an_error_and_grants_only_what_a_line_names(text: str) -> None:
    table = parse_circle_table(text)
    parse_flags(table.flags)
    assert bool(table.flags or table.forbidden) <= bool(table.lines)
