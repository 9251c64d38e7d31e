"""License texts: found word for word, named as changed copies, or left unread."""

from __future__ import annotations

import textwrap
from importlib.metadata import distribution
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.licensing.claims.known_texts import add
from registry.licensing.claims.texts import (
    fingerprint,
    known_texts,
    match_text,
    read_license_text,
    resemblance,
)
from registry.licensing.table import LICENSES

MIT = """MIT License

Copyright (c) 2024 Somebody Else

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def text_of(package: str, name: str) -> str:
    """The license file that an installed package ships: a copy that was not made here."""
    files = distribution(package).files or []
    path = next(file for file in files if file.name == name and ".dist-info" in str(file))
    return Path(str(path.locate())).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("package", "name", "license_id"),
    [("requests", "LICENSE", "Apache-2.0"), ("djangorestframework", "LICENSE.md", "BSD-3-Clause"),
     ("redis", "LICENSE", "MIT")],
)  # fmt: skip
def test_the_license_files_of_installed_packages_are_what_their_metadata_says(
    package: str, name: str, license_id: str
) -> None:
    assert match_text(text_of(package, name)).license == license_id


@given(
    upper=st.booleans(),
    width=st.integers(20, 200),
    bullet=st.sampled_from(["", "> ", "# ", "    "]),
    quotes=st.booleans(),
    year=st.integers(1990, 2030),
)
def test_layout_case_quotes_and_the_copyright_line_do_not_matter(
    upper: bool, width: int, bullet: str, quotes: bool, year: int
) -> None:
    text = MIT.replace("2024 Somebody Else", f"{year} another name")
    text = text.replace('"', "\u201d") if quotes else text
    paragraphs = [textwrap.fill(part, width) if len(part) > 100 else part for part in text.split("\n\n")]
    laid_out = "\r\n".join(bullet + row for row in "\n\n".join(paragraphs).split("\n"))
    assert match_text(laid_out.upper() if upper else laid_out).license == "MIT"


def test_a_text_with_a_sentence_more_is_not_the_license_and_the_sentence_is_shown() -> None:
    match = match_text(MIT + "\nThe Software may not be used for commercial purposes.\n")
    assert match.license is None and match.resembles == "MIT" and match.similarity > 0.8
    assert match.changes == ("the software may not be used for commercial purposes.",) and match.missing == 0


def test_a_ban_beside_the_copyright_sign_is_no_copyright_line() -> None:
    text = MIT.replace("2024 Somebody Else", "2024 Somebody. Commercial use is not permitted.")
    assert match_text(text).license is None


def test_a_text_with_a_clause_less_is_not_the_license() -> None:
    text = text_of("djangorestframework", "LICENSE.md")
    start = text.index("* Neither")
    match = match_text(text[:start] + text[text.index("THIS SOFTWARE") :])
    assert match.license is None and match.resembles == "BSD-3-Clause" and match.missing >= 1


def test_another_license_is_unread_and_never_the_nearest() -> None:
    statement = read_license_text(
        "My House Rules\n\nAsk me first, then do as I say, unless it rains.", "LICENSE"
    )
    assert statement is not None and statement.value is None
    assert statement.wording == "LICENSE: My House Rules" and statement.unread


def test_texts_that_differ_in_one_word_are_told_apart() -> None:
    """RAIL-M and RAIL++-M share almost every run of words."""
    by_license: dict[str, list[float]] = {}
    one = next(each for each in known_texts() if each.license == "creativeml-openrail-m")
    for other in known_texts():
        by_license.setdefault(other.license, []).append(resemblance(one.fingerprint, other.fingerprint))
    assert max(by_license["creativeml-openrail-plusplus-m"]) > 0.9
    assert max(by_license["MIT"]) < 0.2


def test_no_two_licenses_share_a_text_and_every_license_is_in_the_table() -> None:
    whole = {each.fingerprint.whole: each.license for each in known_texts()}
    assert len(whole) == len(known_texts())
    assert {each.license for each in known_texts()} <= set(LICENSES)
    assert len(set(whole.values())) >= 35


def test_only_digests_are_kept_of_a_text() -> None:
    rows: list[dict[str, object]] = []
    assert add(rows, "MIT", "here", MIT) and not add(rows, "MIT", "there", MIT.upper())
    assert "permission" not in str(rows)


@given(st.text(max_size=500))
def test_any_text_has_a_fingerprint_and_only_itself_resembles_it_fully(text: str) -> None:
    mine = fingerprint(text)
    assert resemblance(mine, mine) in (0.0, 1.0)
    match_text(text)
