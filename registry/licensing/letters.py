"""Drafts a question to an author, in English or Japanese; a person reads, edits and sends it.

The acts are a closed list to be answered one by one, the files are named by their SHA256, and the letter says
what the answer will be used for and that silence is not taken for consent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from registry.licensing.errors import BadQuestion, not_one_of
from registry.licensing.items import ITEMS

Language = Literal["en", "ja"]
LANGUAGES: Final[Mapping[Language, str]] = {"en": "English", "ja": "日本語"}
PREFIX: Final = 12
"""Digits of a SHA256 that a letter shows: enough to tell files apart, few enough to be compared by eye."""


@dataclass(frozen=True)
class Letter:
    """What a letter is about. `files`: (name, SHA256); `items`: keys of ITEMS that may be asked."""

    adapter: str
    version: str
    author: str
    url: str
    files: Sequence[tuple[str, str]]
    items: Sequence[str]
    house: str = ""


_ENGLISH: Final[Mapping[str, str]] = {
    "sell_images": "selling images made with it",
    "client_work": "using such images in advertising or paid work for clients",
    "paid_service": "offering it in a paid image service",
    "sell_file": "selling the file itself",
    "redistribute": "passing the file on unchanged, free of charge",
    "merge_privately": "merging or modifying it for our own use",
    "share_merge": "publishing a merge or another modified version, free of charge",
    "relicense": "publishing such a version under different terms",
}
_JAPANESE: Final[Mapping[str, str]] = {
    "sell_images": "本データで生成した画像の販売",
    "client_work": "生成した画像の広告・受託制作での利用",
    "paid_service": "有料の画像生成サービスでの提供",
    "sell_file": "ファイル自体の販売",
    "redistribute": "ファイルの無償での再配布(改変なし)",
    "merge_privately": "自分たちで使うためのマージ・改変(非公開)",
    "share_merge": "マージや改変版の無償公開",
    "relicense": "改変版を異なる利用条件で公開すること",
}
_OTHERS_ENGLISH: Final[Mapping[str, str]] = {
    "credit": (
        "Credit: do you want to be credited? If so, with which wording and link, and where "
        "(web, print, video)?"
    ),
    "copyright": "Training material: what was it trained on, who owns it, and may it be used for this?",
    "portrait": (
        "Does it show a real person? If so, has that person agreed, for which purposes and for how long?"
    ),
}
_OTHERS_JAPANESE: Final[Mapping[str, str]] = {
    "credit": (
        "クレジット表記: 表記は必要ですか。必要な場合、文言とリンク、"
        "表記する場所(ウェブ・印刷物・映像)をお知らせください。"
    ),
    "copyright": (
        "学習素材: 何を学習に使われましたか。その権利者はどなたで、この用途での利用は許諾されていますか。"
    ),
    "portrait": ("実在の人物が含まれますか。含まれる場合、ご本人の同意とその目的・期間をお知らせください。"),
}


def draft(letter: Letter, language: str) -> str:
    """The text of the letter. Raises BadQuestion for a language or an item that cannot be asked."""
    if language not in LANGUAGES:
        raise BadQuestion(f"No letter is written in {language!r}. {not_one_of(language, LANGUAGES)}")
    askable = [key for key, item in ITEMS.items() if item.may_be_asked]
    for key in letter.items:
        if key not in askable:
            raise BadQuestion(f"{key!r} is nothing to ask an author. {not_one_of(key, askable)}")
    if not letter.items:
        raise BadQuestion(f"Name at least one thing to ask: {', '.join(askable)}.")
    asked = [key for key in askable if key in letter.items]
    return _japanese(letter, asked) if language == "ja" else _english(letter, asked)


def _named(letter: Letter) -> str:
    return " ".join(part for part in (letter.adapter, letter.version) if part)


def _files(letter: Letter) -> list[str]:
    return [f"  {name} (sha256 {digest[:PREFIX]}…)" for name, digest in letter.files]


def _english(letter: Letter, asked: Sequence[str]) -> str:
    acts = [_ENGLISH[key] for key in asked if key in _ENGLISH]
    others = [_OTHERS_ENGLISH[key] for key in asked if key in _OTHERS_ENGLISH]
    lines = [
        f"Hello {letter.author}," if letter.author else "Hello,",
        "",
        f"Thank you for publishing {_named(letter)}{f' ({letter.url})' if letter.url else ''}.",
        f"{letter.house or 'We'} would like to use it, and to keep to what you allow. This is about:",
        *_files(letter),
    ]
    if acts:
        lines += [
            "",
            "Do you allow the following? Please answer each line with yes, no, or yes with a condition:",
        ]
        lines += [f"  {number}. {act}" for number, act in enumerate(acts, 1)]
    if others:
        lines += ["", "Please also tell us:", *(f"  - {text}" for text in others)]
    if acts:
        lines += ["", "If your permission is limited to some countries, media or time, please say so."]
    lines += [
        "",
        "We will keep your answer, with its date and this message, as the record of what you allow. It will "
        "count only for the uses and the files named above. If we do not hear from you we will not take that "
        "as consent. You can change your mind at any time by writing to us again.",
        "",
        "Thank you for your time,",
        letter.house,
    ]
    return "\n".join(lines).strip()


def _japanese(letter: Letter, asked: Sequence[str]) -> str:
    acts = [_JAPANESE[key] for key in asked if key in _JAPANESE]
    others = [_OTHERS_JAPANESE[key] for key in asked if key in _OTHERS_JAPANESE]
    lines = [
        f"{letter.author} 様" if letter.author else "作者様",
        "",
        f"突然のご連絡失礼いたします。「{_named(letter)}」{f'({letter.url})' if letter.url else ''}を"
        "公開していただき、ありがとうございます。",
        f"{f'{letter.house}では、' if letter.house else ''}作者様のご意向に沿って利用させていただきたく、"
        "お許しいただける範囲をお伺いいたします。対象は次のファイルです。",
        *_files(letter),
    ]
    if acts:
        lines += [
            "",
            "次の利用はお許しいただけますか。番号ごとに「可」「不可」「条件付きで可(条件)」でお答えください。",
        ]
        lines += [f"  {number}. {act}" for number, act in enumerate(acts, 1)]
    if others:
        lines += ["", "あわせて、次の点をお教えください。", *(f"  ・{text}" for text in others)]
    if acts:
        lines += ["", "国・媒体・期間などの制限がありましたら、お書き添えください。"]
    lines += [
        "",
        "いただいたご回答は、日付とこのメッセージとともに、許諾の記録として保管いたします。効力は上に挙げた利用と"
        "ファイルに限ります。ご返信がない場合に、許諾いただいたものとみなすことはございません。"
        "お考えが変わられた際は、いつでもご連絡ください。",
        "",
        "お手数をおかけいたしますが、どうぞよろしくお願いいたします。",
        letter.house,
    ]
    return "\n".join(lines).strip()
