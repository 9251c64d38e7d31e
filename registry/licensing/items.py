"""The items a reviewer settles one by one, never one "license" box: uses, credit, changes, base, material.

Source: the items a Japanese studio records (商用可否, クレジット表記, 再配布・改変, 対応モデル, 素材権利).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from registry.licensing.vocabulary import ACTS
from registry.messages import gettext_noop

Group = Literal["commercial", "credit", "changes", "base", "material"]
Kind = Literal["act", "credit", "base", "rights"]

GROUPS: Final[Mapping[Group, str]] = MappingProxyType(
    {
        "commercial": gettext_noop("Commercial use"),
        "credit": gettext_noop("Credit"),
        "changes": gettext_noop("Passing on and changing"),
        "base": gettext_noop("Supported base"),
        "material": gettext_noop("Rights in the material"),
    }
)


@dataclass(frozen=True)
class Item:
    """One item. `act`: the act that it settles; `right`: the kind of right in the material."""

    key: str
    group: Group
    kind: Kind
    label: str
    act: str = ""
    right: str = ""

    @property
    def may_be_asked(self) -> bool:
        """Whether the author is the one who knows: the base is told by the weights and its publisher."""
        return self.kind != "base"


def _act(key: str, group: Group, act: str) -> Item:
    return Item(key, group, "act", ACTS[act].label, act=act)


ITEMS: Final[Mapping[str, Item]] = MappingProxyType(
    {
        item.key: item
        for item in (
            _act("sell_images", "commercial", "generate_and_sell_images"),
            _act("client_work", "commercial", "use_in_advertising_or_client_work"),
            _act("paid_service", "commercial", "run_as_paid_service"),
            _act("sell_file", "commercial", "sell_adapter"),
            Item("credit", "credit", "credit", gettext_noop("Credit to the author")),
            _act("redistribute", "changes", "redistribute_adapter"),
            _act("merge_privately", "changes", "modify_or_merge"),
            _act("share_merge", "changes", "redistribute_derivative"),
            _act("relicense", "changes", "relicense_derivative"),
            Item("base", "base", "base", gettext_noop("Base model and its license")),
            Item("copyright", "material", "rights", gettext_noop("Copyright"), right="copyright"),
            Item("portrait", "material", "rights", gettext_noop("Portrait and publicity"), right="portrait"),
        )
    }
)
