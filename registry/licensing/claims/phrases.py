"""How authors word bans, demands for credit and permissions, in English, Japanese and Chinese: patterns only.

They are matched against one sentence in NFKC form and lower case. Gaps are bounded, so no pattern takes more
than linear time on text that is made to be slow.
"""

from __future__ import annotations

import re
from typing import Final

from registry.licensing.vocabulary import ACTS

COMMERCE: Final = tuple(act for act, kind in ACTS.items() if kind.commerce)
SELL_IMAGES: Final = ("generate_and_sell_images", "use_in_advertising_or_client_work")
SELL_FILE: Final = ("sell_adapter", "sell_derivative")
REDISTRIBUTE: Final = ("redistribute_adapter", "sell_adapter")
SHARE_MERGES: Final = ("redistribute_derivative", "relicense_derivative", "sell_derivative")
MERGE: Final = ("modify_or_merge", *SHARE_MERGES)
SERVICE: Final = ("run_as_paid_service",)


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


# --- English ------------------------------------------------------------------------------------------------

_NOT: Final = (
    r"\b(?:(?:do|does|must|may|can|could|should|shall)\s*(?:not|n'?t)|cannot|can'?t|don'?t|mustn'?t|never|no"
    r"|not?\s+(?:be\s+)?(?:allowed|permitted)(?:\s+to)?|forbidden\s+to|prohibited\s+(?:to|from)"
    r"|refrain\s+from|avoid|prohibits?|forbids?|prohibition\s+of)\b"
)
_BANNED: Final = (
    r"(?:strictly\s+|absolutely\s+|expressly\s+)*"
    r"(?:not\s+(?:be\s+)?(?:allowed|permitted|authorized|ok|okay|possible)|prohibited|forbidden|disallowed|banned)\b"
)
_COMMERCIAL: Final = (
    r"\b(?:commerciali[sz]\w*|moneti[sz]\w*|commercially|commercial"
    r"(?:\s+(?:use|usage|uses|purposes?|exploitation|projects?|activit\w+|services?))?)\b"
)
_IMAGES: Final = r"\b(?:images?|pictures?|outputs?|generations?|results?|artworks?)\b"
_SELLING: Final = r"\b(?:re-?)?(?:sell|selling|sold|sale|sales)\b"
_REUPLOAD: Final = r"\b(?:re-?upload\w*|re-?post\w*|re-?distribut\w*|re-?host\w*|mirror\w*)\b"
_SITES: Final = (
    r"\b(?:generat(?:ion|or|ing)|paid|online|hosting)\s+(?:services?|sites?|websites?|platforms?)\b"
)

# --- Japanese and Chinese -----------------------------------------------------------------------------------

_JA_NOT: Final = (
    r"(?:は|を|も|の|に|で|等|など|こと|利用|使用|行為|目的|する|厳|一切|全て|お|ご|,|、|\s){0,8}"
    r"(?:禁止|厳禁|不可|できません|出来ません|お断り|遠慮|控え|ng|しないで|認めません|認めていません|許可しません"
    r"|許可していません|だめ|ダメ)"
)
# "再配布・転売は禁止": what is listed before the ban is banned with it.
_JA_LISTED: Final = r"(?:[・や、と/&及び]\S{1,12}?){0,4}"
_ZH_NOT: Final = r"(?:严禁|嚴禁|禁止|请勿|請勿|不得|不可以?|不允许|不允許|不准|勿|谢绝|謝絕|不能|别)"
_ZH_GAP: Final = r"[^。;,!\n]{0,12}?"

# Each group: what a sentence bans, and the acts that are forbidden with it.
BANS: Final[tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]] = (
    (
        _any(
            rf"{_NOT}[^.;]{{0,60}}?{_COMMERCIAL}",
            rf"{_COMMERCIAL}[^.;,]{{0,40}}?\b{_BANNED}",
            r"\bnon[\s-]?commercial(?:ly)?(?:\s+\w+){0,3}\s+only\b",
            r"\b(?:for|strictly|only)\s+(?:\w+\s+){0,3}?non[\s-]?commercial\b",
            r"\bnon[\s-]?commercial\s+(?:use|usage|purposes?)\b",
            r"\b(?:personal|private)(?:\s+\w+)?\s+(?:use|purposes?|enjoyment)\s+only\b",
            r"\bonly\s+(?:for\s+)?(?:your\s+)?(?:personal|private)\s+(?:use|purposes?)\b",
            r"\bnot\s+for\s+(?:profit|commercial)",
            rf"(?:商用|商業|営利)(?:的|目的|での|利用|使用|で|の|に){{0,4}}{_JA_LISTED}{_JA_NOT}",
            r"非商用(?:利用)?(?:のみ|に限|限定)|個人(?:利用|使用|の範囲)(?:のみ|に限|限定|でのみ)",
            rf"{_ZH_NOT}{_ZH_GAP}(?:商用|商业|商業|盈利|营利|牟利)",
            r"(?:商用|商业用途|商业使用|商業用途|盈利)[^。;,!\n]{0,6}?(?:禁止|不可|不允许|不得|不行)|非商业(?:用途|使用)",
            r"[仅僅只][供限可能]?[^。;,!\n]{0,8}?(?:个人|個人|学习|學習|交流|非商)",
        ),
        COMMERCE,
    ),
    (
        _any(
            rf"{_NOT}[^.;]{{0,30}}?{_SELLING}[^.;]{{0,30}}?{_IMAGES}",
            rf"\b(?:sell(?:ing)?|sales?\s+of)\s+(?:the\s+|any\s+|generated\s+)*{_IMAGES}[^.;]{{0,30}}?\b{_BANNED}",
            rf"(?:画像|イラスト|生成物|出力)[のを](?:販売|売る?){_JA_LISTED}{_JA_NOT}",
            rf"{_ZH_NOT}{_ZH_GAP}(?:出售|贩卖|售卖|販賣|卖)[^。;,!\n]{{0,6}}?[图圖]",
        ),
        SELL_IMAGES,
    ),
    (
        _any(
            rf"{_NOT}[^.;]{{0,30}}?{_SELLING}(?![^.;]{{0,30}}?{_IMAGES})",
            rf"{_SELLING}\s+(?:of\s+)?(?:this|the|my)?\s*(?:lora|model|file|merges?|it)\b[^.;]{{0,20}}?\b{_BANNED}",
            r"\bnot\s+for\s+sale\b",
            rf"(?:転売|再販売?|(?<!画像の)(?<!画像を)(?<!物の)(?<!物を)販売){_JA_LISTED}{_JA_NOT}",
            rf"{_ZH_NOT}{_ZH_GAP}(?:倒卖|倒賣|转卖|轉賣|售卖|贩卖|販賣|出售)(?![^。;,!\n]{{0,6}}?[图圖])",
        ),
        SELL_FILE,
    ),
    (
        _any(
            rf"{_NOT}[^.;]{{0,40}}?{_REUPLOAD}",
            rf"{_REUPLOAD}[^.;,]{{0,40}}?\b{_BANNED}",
            r"\b(?:do\s+not|don'?t)\s+(?:share|upload)\s+(?:this|the|my)\s+(?:lora|model|file)\b",
            rf"(?:再配布|二次配布|転載|再アップロード|再アップ){_JA_LISTED}{_JA_NOT}|無断転載|無断配布",
            rf"{_ZH_NOT}{_ZH_GAP}(?:二次上[传傳]|转载|轉載|搬运|搬運|二次发布|二[传傳]|转发|分发|上[传傳][到至])",
        ),
        REDISTRIBUTE,
    ),
    (
        _any(
            rf"{_NOT}[^.;]{{0,40}}?\b(?:shar|distribut|publish|upload|post|releas)\w*\s+(?:any\s+|your\s+)?"
            r"(?:merge[sd]?\b|derivative)",
            rf"\bsharing\s+(?:of\s+)?merges?\b[^.;]{{0,20}}?\b{_BANNED}",
            rf"マージ(?:モデル|した(?:モデル|もの))?[のを](?:配布|公開|共有){_JA_NOT}",
        ),
        SHARE_MERGES,
    ),
    (
        _any(
            r"\b(?:do\s+not|don'?t|must\s+not|may\s+not|cannot|never|no)\s+(?:\w+\s+){0,2}?(?:merge|merges|merging)\b"
            r"(?!\s+(?:well|too|conflict|cleanly))",
            rf"\bmerg(?:es|ing)\b[^.;]{{0,20}}?\b{_BANNED}",
            rf"マージ(?:の?(?:使用|利用|素材))?{_JA_NOT}",
            rf"{_ZH_NOT}{_ZH_GAP}(?:融合|融模|合并|合併)",
        ),
        MERGE,
    ),
    (
        _any(
            rf"{_NOT}[^.;]{{0,50}}?{_SITES}",
            rf"{_SITES}[^.;]{{0,30}}?\b{_BANNED}",
            rf"(?:生成|有料|商用|オンライン)(?:画像生成)?(?:サービス|サイト)[^。\n]{{0,14}}?{_JA_NOT}",
            rf"{_ZH_NOT}{_ZH_GAP}(?:在[线線]生[成图圖]|生图平台|生成平台|付费服务|在线平台|线上生图)",
        ),
        SERVICE,
    ),
)

# "For commercial use, contact me": not a ban, and not a permission either.
CONTACT: Final = _any(
    rf"{_COMMERCIAL}[^.;]{{0,60}}?\b(?:contact|ask|message|dm|e-?mail|write\s+to|reach\s+out|permission)\b",
    rf"\b(?:contact|ask|message|dm|e-?mail|permission)\b[^.;]{{0,60}}?{_COMMERCIAL}",
    r"商用(?:利用|使用)?[^。\n]{0,20}?(?:連絡|問い合わせ|相談|許可を|要許可|dm)",
    r"商(?:用|业用途|业使用)[^。\n]{0,10}?(?:请联系|请咨询|請聯繫|需授权|请私信|联系作者|获得授权)",
)

CREDIT: Final = _any(
    r"\b(?:must|please|always|have\s+to|need\s+to|required\s+to|kindly|should)\b[^.;]{0,40}?"
    r"\b(?:credit|attribut\w+|mention\s+me|link\s+back|name\s+me)\b",
    r"\b(?:give|giving|provide|include)\s+(?:me\s+|proper\s+|appropriate\s+|full\s+)*(?:credits?|attribution)\b",
    r"\bcredits?\b[^.;]{0,20}?\b(?:required|mandatory|a\s+must|necessary|needed)\b",
    r"\bcredit\s+(?:me|the\s+(?:author|creator)|back)\b|\battribution\s+(?:is\s+)?required\b",
    r"クレジット(?:の?表記|の?記載)?[はをが]?(?:必須|必要|お願い|して(?:下さい|ください)|明記)",
    r"(?:作者名|モデル名|出典|作者)[のをは]?(?:明記|表記|記載)(?:して|を?お願い|必須|が必要)",
    r"(?:请|請|务必|需|必须|必須)[^。;,!\n]{0,8}?(?:注明|註明|标注|標註|署名)",
)
NO_CREDIT: Final = _any(
    r"\b(?:no|without|not)\b[^.;]{0,25}?\b(?:credit|attribution)\b",
    r"\b(?:credit|attribution)\b[^.;]{0,25}?(?:\bnot|n't)\s+(?:be\s+)?(?:required|necessary|needed|mandatory)\b",
    r"\b(?:credit|attribution)\b[^.;]{0,20}?\b(?:optional|appreciated|welcome|unnecessary)\b",
    r"\b(?:appreciate|love|happy|glad|nice|like|optional)\b[^.;]{0,40}?\bcredit\b",
    r"クレジット[^。\n]{0,12}?(?:不要|任意|なくて|無くて|しなくて|問いません|必要(?:は)?(?:ありません|ない))|喜びます|嬉しい",
    r"(?:无需|無需|不需要|不用|不必)[^。;,!\n]{0,6}?(?:署名|注明|标注)",
)
GRANT: Final = _any(
    r"\bcommercial\s+(?:use|usage)\s+(?:is\s+)?(?:allowed|permitted|ok|okay|fine|welcome)\b",
    r"\b(?:free\s+(?:to\s+use\s+)?for|can\s+be\s+used\s+for)\s+(?:\w+\s+){0,3}?commercial\b",
    r"\bno\s+(?:\w+\s+){0,2}?(?:limit\w*|restriction\w*|problem\w*|issue\w*)\b[^.;]{0,30}?\bcommercial",
    r"商用(?:利用|使用)?(?:も|は|が)?(?:可能|可(?!否)|ok|自由|許可して|問題ありません)|可(?:以)?商用|允许商用",
)
# A sentence with one of these words that no pattern fits is left to a person.
TOUCHES_TERMS: Final = _any(
    r"\bcommercial(?:ly)?\b|\bsell(?:ing)?\b|\bre-?sell\w*|\bfor\s+profit\b|\bmoneti[sz]",
    r"商用|商業利用|営利|転売|再配布|商业用途|商业使用|倒卖",
)
# "The FLUX.1 [dev] Non-Commercial License" is a name, not a ban in the author's own words.
LICENSE_NAME: Final = _any(
    r"non[\s-]?commercial(?:\s+\w+){0,3}?\s+licen[sc]e",
    r"attribution[\s-]+non[\s-]?commercial[\w\s-]*",
    r"by-nc",
)
# What the base asks is the base's own layer.
ABOUT_BASE: Final = _any(
    r"\bbase\s+(?:model|checkpoint)\b", r"ベースモデル[のは]", r"底模[的是]", r"基础模型"
)
PUT_UNDER: Final = _any(
    r"\blicen[sc]ed?\b|\bfalls?\s+under|\breleased\s+under|\bsubject\s+to",
    r"ライセンス|に準|に従|许可|授权|協議|协议",
)
# "Trained on images under CC BY-NC" declares nothing about the adapter.
ABOUT_DATA: Final = _any(
    r"\bdata\s?sets?\b|\btraining\s+(?:data|images)\b|\btrained\s+(?:on|with)\b",
    r"データセット|训练集|数据集",
)
NAMED: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (_any(r"flux\.?\s?1?\s*[\[(]?\s*dev\s*[\])]?\s+non[\s-]?commercial\s+licen[sc]e"), "flux-1-dev-nc-1.1.1"),
    (
        _any(r"\bcc[\s-]by[\s-]nc[\s-]sa\b", r"\battribution-noncommercial-sharealike 4\.0"),
        "CC-BY-NC-SA-4.0",
    ),
    (_any(r"\bcc[\s-]by[\s-]nc[\s-]nd\b", r"\battribution-noncommercial-noderiv\w+ 4\.0"), "CC-BY-NC-ND-4.0"),
    (_any(r"\bcc[\s-]by[\s-]nc\b(?![\s-](?:sa|nd))", r"\battribution-noncommercial 4\.0"), "CC-BY-NC-4.0"),
)
