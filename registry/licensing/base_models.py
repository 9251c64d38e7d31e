"""Base models: family -> checkpoint -> license, and the names Civitai and the Hub use for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from registry.licensing.errors import BadTable
from registry.licensing.table import LICENSES
from registry.licensing.vocabulary import DATA, read_toml


@dataclass(frozen=True)
class BaseModel:
    """A checkpoint adapters are made for.

    `license` is None where one name covers several licenses (`candidates`): the version must be found out.
    `components` are licenses of parts loaded beside the weights. `bespoke`: Civitai prints a license text of
    its own from the uploader's permissions for this base.
    """

    id: str
    name: str
    family: str
    license: str | None = None
    candidates: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    civitai: tuple[str, ...] = ()
    hub: tuple[str, ...] = ()
    bespoke: bool = False
    note: str = ""


def _base_model(row: dict[str, Any]) -> BaseModel:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    return BaseModel(**values)


_RAW: Final = read_toml(DATA / "base_models.toml")

FAMILIES: Final[Mapping[str, str]] = MappingProxyType(_RAW["families"])
"""Family id, as `inspect` prints it, -> name."""

BASE_MODELS: Final[Mapping[str, BaseModel]] = MappingProxyType(
    {row["id"]: _base_model(row) for row in _RAW["base_models"]}
)


def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for base in BASE_MODELS.values():
        for license_id in (*((base.license,) if base.license else ()), *base.candidates, *base.components):
            if license_id not in LICENSES:
                raise BadTable(f"base_models.toml: {base.id} names the unknown license {license_id}.")
        if base.family not in FAMILIES:
            raise BadTable(f"base_models.toml: {base.id} names the unknown family {base.family}.")
        if (base.license is None) == (not base.candidates):
            raise BadTable(f"base_models.toml: {base.id} needs either a license or candidates.")
        for name in {name.casefold() for name in (base.id, base.name, *base.civitai, *base.hub)}:
            if names.setdefault(name, base.id) != base.id:
                raise BadTable(f"base_models.toml: {name} names both {names[name]} and {base.id}.")
    return names


_BY_NAME: Final[Mapping[str, str]] = MappingProxyType(_names())


def find_base_model(name: str | None) -> BaseModel | None:
    """The base model of an id, a name, a Civitai `baseModel` or a Hub repository; None when it is not known.

    >>> find_base_model("SDXL 1.0").license
    'creativeml-openrail-plusplus-m'
    """
    if name is None:
        return None
    found = _BY_NAME.get(name.strip().casefold())
    return None if found is None else BASE_MODELS[found]
