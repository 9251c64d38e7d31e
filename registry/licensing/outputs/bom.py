"""The bill of materials of a stack: CycloneDX 1.6 with machine-learning-model components, by its own schema.

The library has no model card, so the verdict, its conditions and the evidence are properties under `kura:`.
CycloneDX 1.6 takes either licenses or one expression for a component; an expression is therefore told in a
property and its licenses one by one, each marked as declared by the author or concluded by the verdict.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from cyclonedx.exception import CycloneDxException
from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType, Pedigree
from cyclonedx.model.contact import OrganizationalContact
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.spdx import is_supported_id
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from registry.licensing.errors import LicensingError
from registry.licensing.expressions import alternatives
from registry.licensing.outputs.errors import BomInvalid
from registry.licensing.outputs.parts import (
    Asked,
    Part,
    PartFile,
    asked_of,
    change_of,
    plain,
    web_address,
    weight_word,
)
from registry.licensing.schema import License
from registry.licensing.table import LICENSES, NO_TEXT, Table
from registry.licensing.verdict import Verdict

_SPACE: Final = uuid.UUID("5f1d3bd6-7f0e-5c1b-9d2e-6b757261626d")
_ROOT: Final = "stack"


def bill_of_materials(
    verdict: Verdict,
    parts: Sequence[Part],
    act: str,
    facts: Mapping[str, object],
    *,
    made: datetime,
    version: str = "",
    table: Table = LICENSES,
) -> str:
    """The BOM as CycloneDX 1.6 JSON. `made` is its time stamp, `version` that of Kura.

    Its serial number follows from what it says, so two for the same stack and verdict have one. Raises
    `BomInvalid` where the library's own schema check refuses it.
    """
    asked = asked_of(verdict, parts, table)
    components = [_component(each, each.part, parts, act, table) for each in asked if each.part is not None]
    root = Component(
        name=f"stack for {act}",
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=_ROOT,
        properties=_properties(_verdict_properties(verdict, act, facts)),
    )
    told = [[part.layer, part.name, part.weight, [file.sha256 for file in part.files]] for part in parts]
    said = json.dumps([verdict.as_dict(), act, dict(facts), told], sort_keys=True, default=str)
    tool = Component(name="Kura", type=ComponentType.APPLICATION, version=version or None, bom_ref="kura")
    bom = Bom(
        serial_number=uuid.uuid5(_SPACE, said),
        components=components,
        metadata=BomMetaData(component=root, timestamp=made, tools=ToolRepository(components=[tool])),
        dependencies=[
            Dependency(root.bom_ref, [Dependency(each.bom_ref) for each in components]),
            *(Dependency(each.bom_ref) for each in components),
        ],
    )
    return _checked(bom)


def _checked(bom: Bom) -> str:
    try:
        text: str = JsonV1Dot6(bom).output_as_string(indent=1)
        wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    except CycloneDxException as error:
        raise BomInvalid(f"The bill of materials cannot be written: {error}.") from error
    if wrong is not None:
        raise BomInvalid(f"The bill of materials breaks its schema: {str(wrong)[:500]}.")
    return text


def purl_of(name: str, version: str, url: str, files: Sequence[PartFile] = (), revision: str = "") -> str:
    """A package URL: of the Hub's own type for a repository there, else generic with the first file's digest.

    >>> purl_of("Ink", "v1", "https://huggingface.co/mika/ink-lines", revision="abc")
    'pkg:huggingface/mika/ink-lines@abc'
    >>> purl_of("Ink Lines", "v1", "https://civitai.com/models/7")
    'pkg:generic/ink-lines@v1?download_url=https://civitai.com/models/7'
    """
    address = web_address(url)
    parts = urlsplit(address)
    path = [unquote(part) for part in parts.path.split("/") if part]
    if (
        parts.hostname in ("huggingface.co", "hf.co")
        and len(path) >= 2
        and path[0] not in ("datasets", "spaces")
    ):
        return str(PackageURL("huggingface", path[0], path[1], revision or None).to_string())
    qualifiers = {"download_url": address} if address else {}
    if files:
        qualifiers["checksum"] = f"sha256:{files[0].sha256}"
    slug = re.sub(r"[^\w.]+", "-", name.casefold()).strip("-.") or "unnamed"
    return str(PackageURL("generic", None, slug, version or None, qualifiers or None).to_string())


def _component(asked: Asked, part: Part, parts: Sequence[Part], act: str, table: Table) -> Component:
    url = web_address(part.url)
    references = []
    if url:
        references.append(ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(url)))
    return Component(
        name=plain(part.name) or part.layer,
        version=plain(part.version) or None,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=part.layer,
        authors=[OrganizationalContact(name=plain(part.creator))] if plain(part.creator) else None,
        hashes=_hashes(part.files[:1]),
        components=[_file(part, file) for file in part.files] if len(part.files) > 1 else None,
        licenses=_licenses(asked, part, table),
        purl=_purl(part.purl),
        external_references=references,
        pedigree=_pedigree(part, parts, act),
        properties=_properties(_part_properties(asked, part)),
    )


def _file(part: Part, file: PartFile) -> Component:
    return Component(
        name=plain(file.name) or file.sha256,
        type=ComponentType.FILE,
        bom_ref=f"{part.layer}/{file.sha256}",
        hashes=_hashes([file]),
    )


def _hashes(files: Iterable[PartFile]) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=file.sha256) for file in files]


def _purl(text: str) -> PackageURL | None:
    try:
        return PackageURL.from_string(text) if text else None
    except ValueError:
        return None


def _pedigree(part: Part, parts: Sequence[Part], act: str) -> Pedigree | None:
    """An adapter descends from the base it is used on; the notes say what was done with it."""
    if not part.is_adapter:
        return None
    ancestors = [
        Component(
            name=plain(base.name) or base.layer,
            type=ComponentType.MACHINE_LEARNING_MODEL,
            bom_ref=f"{part.layer}/{base.layer}",
            purl=_purl(base.purl),
        )
        for base in parts
        if base.layer == "base"
    ]
    at = "" if part.weight is None else f" at weight {weight_word(part.weight)}"
    return Pedigree(ancestors=ancestors, notes=f"{change_of(act)}{at}")


def _licenses(asked: Asked, part: Part, table: Table) -> list[DisjunctiveLicense]:
    declared = [(row, LicenseAcknowledgement.DECLARED) for row in _declared(part.declared, table)]
    concluded = [(row, LicenseAcknowledgement.CONCLUDED) for row in asked.licenses]
    return [_license(row, how) for row, how in (*declared, *concluded) if row.id not in NO_TEXT]


def _declared(text: str | None, table: Table) -> list[License]:
    if not text:
        return []
    try:
        choices = alternatives(text, table)
    except LicensingError:
        return []
    return list({row.id: row for choice in choices for row in choice}.values())


def _license(row: License, how: LicenseAcknowledgement) -> DisjunctiveLicense:
    url = XsUri(row.url) if web_address(row.url) else None
    if row.spdx and is_supported_id(row.spdx):
        return DisjunctiveLicense(id=row.spdx, url=url, acknowledgement=how)
    return DisjunctiveLicense(name=row.name, url=url, acknowledgement=how)


def _properties(pairs: Iterable[tuple[str, str]]) -> list[Property]:
    return [Property(name=f"kura:{name}", value=value) for name, value in pairs]


def _verdict_properties(verdict: Verdict, act: str, facts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    yield "act", act
    yield "outcome", verdict.outcome
    if facts:
        yield "facts", json.dumps(dict(facts), sort_keys=True, ensure_ascii=False)
    for text in verdict.conditions:
        yield "condition", text
    for text in verdict.standing:
        yield "standing", text
    for layer in verdict.deciding:
        yield "deciding", layer


def _part_properties(asked: Asked, part: Part) -> Iterator[tuple[str, str]]:
    yield "layer", part.layer
    if part.weight is not None:
        yield "weight", weight_word(part.weight)
    if part.declared:
        yield "license:declared", part.declared
    for number, entry in enumerate(asked.entries, 1):
        told: dict[str, Any] = {
            key: value for key, value in entry.as_dict().items() if value not in (None, [], False)
        }
        told |= {"license": entry.license, "revision": entry.revision} if entry.license else {}
        yield f"ledger:{number}", json.dumps(told, ensure_ascii=False)
    for cited in part.evidence:
        yield "evidence", cited
