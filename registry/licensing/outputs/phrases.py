"""The sentences of credit texts and NOTICE bundles in English and Japanese.

An output has a language of its own: a Japanese studio may credit in English. So these are not interface texts
and do not follow the reader's language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from registry.licensing.errors import not_one_of
from registry.licensing.outputs.errors import UnknownLanguage

LANGUAGES: Final = ("en", "ja")

_EN: Final[Mapping[str, str]] = {
    "head_used": "Made with the following models:",
    "head_merged": "This model was made from the following models:",
    "head_unchanged": "The following models are passed on:",
    "head_card_used": "MADE WITH",
    "head_card_merged": "MODELS MERGED",
    "head_card_unchanged": "MODELS",
    "by": "{name} by {creator}",
    "no_creator": "{name}",
    "license": "license: {license}",
    "terms_of_page": "terms stated on its page",
    "base": "base model",
    "component": "part of the base model",
    "used": "used unmodified",
    "used_at": "used at {weight}",
    "merged": "merged",
    "merged_at": "merged at {weight}",
    "base_merged": "modified by merging",
    "unchanged": "unchanged",
    "ai": "The pictures were made with generative AI.",
    "ai_unchanged": "Pictures made with these models are made by generative AI.",
    "none": "No credit is required for this act. You may still thank the authors:",
    "links_elsewhere": "Links and licenses: see the description",
    "separator": "; ",
    "between": ". ",
    "stop": ".",
}
_JA: Final[Mapping[str, str]] = {
    "head_used": "使用したモデル:",
    "head_merged": "このモデルは次のモデルから作られています:",
    "head_unchanged": "次のモデルを配布しています:",
    "head_card_used": "使用モデル",
    "head_card_merged": "マージ元モデル",
    "head_card_unchanged": "モデル",
    "by": "{name} （作者: {creator}）",
    "no_creator": "{name}",
    "license": "ライセンス: {license}",
    "terms_of_page": "配布ページ記載の条件による",
    "base": "ベースモデル",
    "component": "ベースモデルの構成要素",
    "used": "改変なしで使用",
    "used_at": "強度 {weight} で使用",
    "merged": "マージ",
    "merged_at": "強度 {weight} でマージ",
    "base_merged": "マージにより改変",
    "unchanged": "改変なし",
    "ai": "画像は生成 AI で作成しました。",
    "ai_unchanged": "これらのモデルで作られる画像は生成 AI によるものです。",
    "none": "この用途ではクレジット表記は不要です。任意で次のように記載できます:",
    "links_elsewhere": "リンクとライセンスは概要欄に記載",
    "separator": "、",
    "between": "。",
    "stop": "。",
}
_ALL: Final = {"en": _EN, "ja": _JA}


def phrases(language: str) -> Mapping[str, str]:
    """The sentences of one language, key -> text. Raises `UnknownLanguage`."""
    found = _ALL.get(language)
    if found is None:
        raise UnknownLanguage(f"There is no language {language!r}. {not_one_of(language, LANGUAGES)}")
    return found
