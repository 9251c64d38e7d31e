"""What each recorded answer of Civitai says, written down by hand from the facts before the reader was.

Flags: (credit waived, uses, merges may be shared, merges may carry other permissions). The single words of
recordings before 2024-02-21 are rungs of a ladder: Image < RentCivit < Rent < Sell, each with all below.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ALL = ["Image", "RentCivit", "Rent", "Sell"]


@dataclass(frozen=True)
class Expected:
    """A version. Files: (id, role, primary, bytes); weight: (least, default, most), and whose word it is."""

    base: str
    words: list[str] = field(default_factory=list)
    files: list[tuple[str, str, bool, int]] = field(default_factory=list)
    weight: tuple[float, float, float] | None = None
    source: str = ""
    state: str = "present"


@dataclass(frozen=True)
class ExpectedModel:
    """A model: name, flags, whether they are as the upload form presets them, whom or what it shows."""

    name: str
    flags: tuple[bool, list[str], bool, bool]
    versions: dict[str, Expected]
    default: bool = False
    shows: str = ""


SKILL_WORDS = ["flame", "cyclone", "skill icon", "monochrome"]

MODELS: dict[str, ExpectedModel] = {
    "model_10750": ExpectedModel(
        "💦WaterVFX - Create more consistent water - WIP",
        (False, ALL, False, False),
        {
            # The only trained word is a tag for A1111: no word, but a weight; the text has the range.
            "12758": Expected("SD 1.5", [], [("11506", "weights", True, 4833133)], (0.2, 0.8, 1.0), "author"),
        },
    ),
    "model_15927": ExpectedModel(
        "建筑图纸 | Architectural drawings",
        (True, [], True, True),
        {"18800": Expected("SD 1.5", [], [("15750", "weights", True, 75611784)], (1, 1, 1), "pictures")},
    ),
    "model_18323": ExpectedModel(
        "小人书·连环画 xiaorenshu",
        (False, [], True, False),
        {
            "25661": Expected(
                "SD 1.5", [], [("21302", "weights", True, 151114286)], (0.9, 0.9, 0.9), "author"
            ),
            "22652": Expected(
                "SD 1.5", ["sgyy", "shz"], [("18841", "weights", True, 151111013)], (0.9, 0.9, 0.9), "author"
            ),
            # In its one picture a single LoRA, under the name of another epoch, has 0.9 too.
            "21712": Expected(
                "SD 1.5", [], [("18098", "weights", True, 151112957)], (0.9, 0.9, 0.9), "author"
            ),
        },
    ),
    "model_18679": ExpectedModel(
        "Ancient Chinese architectural style(中国古建筑样式)",
        (True, [], False, False),
        {
            # Two pictures, two names, neither is the file's: nobody can tell which it is.
            "22164": Expected("SD 1.5", [], [("18466", "weights", True, 75621686)]),
            # "不要超过0.6": not above 0.6, and the pictures have 0.6.
            "22612": Expected(
                "SD 1.5", ["chengqiang"], [("18808", "weights", True, 151121865)], (0.6, 0.6, 0.6), "author"
            ),
            "92455": Expected(
                "SD 1.5", ["louyu"], [("63762", "weights", True, 75612377)], (0.3, 0.4, 0.5), "author"
            ),
        },
    ),
    "model_19021": ExpectedModel(
        "Japanese apartment block(DANCHI)",
        (True, [], False, False),
        {"22569": Expected("SD 1.5", ["danchi"], [("18777", "weights", True, 151110536)])},
    ),
    "model_19099": ExpectedModel(
        "2023-3-14-咸鱼小机器人展示 Robot display",
        (True, [], True, True),
        {"22663": Expected("SD 1.5", [], [("18851", "weights", True, 26024856)])},
    ),
    "model_20237": ExpectedModel(
        "[Community] LoRA extract",
        (True, ALL, True, True),
        {
            "57079": Expected("SD 1.4", [], [("40757", "weights", True, 2050664288)]),
            "57072": Expected("SD 1.4", [], [("40751", "weights", True, 377602121)]),
            "57064": Expected("SD 1.4", [], [("40748", "weights", True, 2050664288)]),
            "42603": Expected("SD 2.1 768", [], [("32586", "weights", True, 548022921)]),
            "48226": Expected("SD 1.4", [], [("35669", "weights", True, 2050664288)]),
        },
        default=True,
    ),
    "model_215485_RepoCivitaiModelMetadata1": ExpectedModel(
        "SDXL Turbo-LoRA-Stable Diffusion XL faster than light",
        (False, ["RentCivit"], False, True),
        {
            # The page's one tag names this version's file, so it speaks for all three.
            "242807": Expected(
                "SDXL Turbo", [], [("187907", "weights", True, 787342192)], (1, 1, 1), "author"
            ),
            "243508": Expected(
                "SDXL 1.0",
                [],
                [("189448", "training_data", False, 1448), ("188487", "weights", True, 393837232)],
                (1, 1, 1),
                "author",
            ),
            "245733": Expected("SD 1.5", [], [("190274", "weights", True, 98706288)], (1, 1, 1), "author"),
        },
    ),
    "model_22470": ExpectedModel(
        "Gundam RX78-2 outfit style 高达RX78-2外观风格",
        (False, ["Image"], False, False),
        {
            "26830": Expected(
                "SD 1.5",
                ["gundam\\(rx78\\)", "mecha", "robot", "science fiction"],
                [("22220", "weights", True, 75613815)],
                (0.1, 1, 1),
                "author",
            ),
        },
    ),
    "model_22591": ExpectedModel(
        "GAG - RPG Potions | LoRa 2.1",
        (False, [], False, False),
        {
            "26975": Expected(
                "SD 2.1 768",
                [],
                [("22345", "weights", True, 31371071), ("22346", "text_encoder", False, 1883)],
                (1, 1, 1),
                "pictures",
            ),
        },
    ),
    "model_22607": ExpectedModel(
        "[LoCon/LoRA] Airconditioner/空调 Style",
        (True, [], True, True),
        {
            "27334": Expected("SD 1.5", [], [("22614", "weights", True, 151121968)], (1, 1, 1), "author"),
            "26993": Expected("SD 1.5", [], [("22365", "weights", True, 181076088)], (1, 1, 1), "author"),
        },
    ),
    "model_23524": ExpectedModel(
        "[LoCon/LoRA] Octans/八分儀 Style",
        (True, [], True, True),
        {
            "69212": Expected(
                "SD 1.5", ["octans"], [("48375", "weights", True, 95056126)], (1, 1, 1), "author"
            ),
            "28093": Expected(
                "SD 1.5", ["octans"], [("23219", "weights", True, 181073256)], (1, 1, 1), "author"
            ),
        },
    ),
    "model_2833924": ExpectedModel(
        "Mihaila Krea",
        # An empty list: nothing commercial is allowed, which is not the same as not told.
        (True, [], True, False),
        {"3198110": Expected("Krea 2", [], [("3094942", "weights", True, 228588904)])},
        shows="character",
    ),
    "model_3679": ExpectedModel(
        "Bad VHS",
        (True, ALL, True, True),
        {
            "4062": Expected(
                "SD 1.5",
                ["vhs footage of", "vhs"],
                [
                    ("3907", "weights", False, 3266177),
                    ("5192", "weights", True, 6839793),
                    ("3910", "text_encoder", False, 1208069),
                ],
            ),
        },
        default=True,
    ),
    "model_49530": ExpectedModel(
        "highrise高层综合体",
        (False, ALL, False, True),
        {
            "100977": Expected(
                "SD 1.5", [], [("70574", "weights", True, 151111482)], (0.5, 0.5, 0.5), "pictures"
            ),
            "54103": Expected(
                "SD 1.5",
                [
                    "zarch_highrise",
                    "sunset",
                    "snow",
                    "rain",
                    "day",
                    "night view",
                    "grass",
                    "tree",
                    "street",
                    "car",
                ],
                [("39167", "weights", True, 37863654)],
                (0.75, 0.75, 0.75),
                "pictures",
            ),
        },
    ),
    "model_50391": ExpectedModel(
        "Diffuse Texture",
        (True, ALL, True, True),
        {
            "100006": Expected(
                "SD 1.5",
                ["diffuse texture"],
                [("69792", "weights", True, 6222496), ("69808", "training_data", False, 6650496917)],
                (1, 1, 1),
                "pictures",
            ),
            "54923": Expected(
                "SD 1.5",
                [],
                [("39618", "training_data", False, 6071856733), ("41000", "weights", True, 5061529)],
                (1, 1, 1),
                "pictures",
            ),
            "93680": Expected(
                "SD 2.1 768",
                ["diffuse texture", "seamless", "shadowless"],
                [("64750", "text_encoder", False, 1896), ("64754", "weights", True, 8826732990)],
            ),
        },
        default=True,
    ),
    "model_5100": ExpectedModel(
        "CuteScrap - 0.5v",
        (True, [], True, True),
        {
            "5908": Expected("SD 1.5", ["wral"], [], (1, 1, 1), "pictures", "archived"),
            "5909": Expected("SD 1.5", ["wral"], [], state="archived"),
        },
    ),
    "model_58247": ExpectedModel(
        "Product Design (Elegant minimalism-eddiemauro) LORA",
        (False, ["Image"], True, True),
        {
            "62704": Expected(
                "SD 1.5",
                ["emauromin style"],
                [("57490", "weights", True, 37874518)],
                (0.8, 0.8, 1.0),
                "author",
            ),
        },
    ),
    "model_59654": ExpectedModel(
        "SYK_Game skill icon(游戏图标)",
        (False, [], False, False),
        {
            "95122": Expected(
                "SD 1.5", SKILL_WORDS, [("66097", "weights", True, 302104760)], (0.8, 0.95, 1.1), "author"
            ),
            "82393": Expected(
                "SD 1.5", SKILL_WORDS, [("56403", "weights", True, 302104760)], (0.8, 0.95, 1.1), "author"
            ),
            "81446": Expected(
                "SD 1.5", SKILL_WORDS, [("55808", "weights", True, 75610672)], (0.8, 0.95, 1.1), "author"
            ),
            "64106": Expected(
                "SD 1.5",
                ["icon", "no humans"],
                [("45081", "weights", True, 75619352)],
                (0.8, 0.95, 1.1),
                "author",
            ),
        },
    ),
    "model_62294": ExpectedModel(
        "Stylized Ruins",
        (False, [], True, False),
        {
            "66845": Expected(
                "SD 1.5",
                [
                    "cloud",
                    "cloudy_sky",
                    "day",
                    "sky",
                    "blue_sky",
                    "scenery",
                    "mountain",
                    "flower",
                    "gras",
                ],
                [("46816", "weights", True, 37864320)],
            ),
        },
    ),
    "model_80505": ExpectedModel(
        "Cave interiors",
        (False, ALL, True, True),
        {
            "85390": Expected(
                "SD 1.5",
                ["cave interior"],
                [("58318", "weights", True, 37881305), ("58615", "training_data", False, 105869865)],
                (0.6, 0.6, 0.6),
                "pictures",
            ),
        },
    ),
    "model_85026": ExpectedModel(
        "Auroral Background",
        (False, [], False, False),
        {
            "101414": Expected(
                "SD 1.5",
                ["aurora", "lightning"],
                [("70925", "weights", True, 37866151)],
                (1, 1, 1),
                "pictures",
            ),
            # Beside another LoRA, "color" at 0.4.
            "100061": Expected(
                "SD 1.5", ["space"], [("69839", "weights", True, 101565389)], (0.6, 0.6, 0.6), "pictures"
            ),
            # "weight: 7-1" is mistyped, which is not for us to mend.
            "95843": Expected("SD 1.5", ["aurora"], [("66477", "weights", True, 101565027)]),
            "93628": Expected(
                "SD 1.5", [], [("64705", "weights", True, 101565475)], (0.9, 0.9, 0.9), "pictures"
            ),
            "92242": Expected("SD 1.5", [], [("63606", "weights", True, 80331913)]),
            "96211": Expected(
                "SD 1.5", [], [("66917", "weights", True, 80331362)], (0.8, 0.8, 0.8), "pictures"
            ),
            "90374": Expected("SD 1.5", [], [("62144", "weights", True, 37863215)], (1, 1, 1), "pictures"),
        },
    ),
    "model_8951": ExpectedModel(
        "A to Zovya RPG Artist's Tools LoRA",
        (False, ["Image"], True, False),
        {
            "44086": Expected(
                "SD 1.5", ["zrpgstyle"], [("33376", "weights", True, 295436982)], (0.5, 0.6, 0.7), "author"
            ),
            "39550": Expected(
                "SD 1.5", [], [("30783", "weights", True, 311623511)], (0.75, 0.75, 0.75), "pictures"
            ),
            "10582": Expected("SD 1.5", [], [("10010", "weights", True, 151109011)]),
        },
    ),
}
