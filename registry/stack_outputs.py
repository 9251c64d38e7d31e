"""From a stack of rows to what its verdict asks to be written: credit, NOTICE bundle, bill of materials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from registry.license_texts import license_texts
from registry.licensing.outputs.bom import bill_of_materials, purl_of
from registry.licensing.outputs.credit import CreditText, credit_text
from registry.licensing.outputs.notice import Bundle, notice_bundle
from registry.licensing.outputs.parts import Part, PartFile
from registry.licensing.question import Component
from registry.licensing.verdict import Verdict
from registry.models import BaseModel, ClaimKind, File, FileState, ReviewItem, Standing, TermsClaim
from registry.stacks import Member, Stack
from registry.terms import citations

_CREDIT: Final = "credit"
_HUB: Final = "https://huggingface.co/"


@dataclass(frozen=True)
class Outputs:
    """What can be written for one stack and its verdict. The rows are read once, in three queries."""

    stack: Stack
    verdict: Verdict

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts as the ledger names them: base, components, adapters in order."""
        question = self.stack.question()
        members = self.stack.members
        versions = [member.version.pk for member in members]
        files = _by_version(
            File.objects.filter(version__in=versions)
            .exclude(state=FileState.WITHDRAWN)
            .select_related("blob")
        )
        claims = _by_version(
            TermsClaim.objects.filter(version__in=versions, superseded=False)
            .select_related("snapshot")
            .defer("snapshot__body")
            .order_by("id")
        )
        wordings = dict(
            ReviewItem.objects.filter(version__in=versions, key=_CREDIT).values_list("version_id", "value")
        )
        return (
            _base_part(self.stack.base, question.base_license),
            *(_component_part(each) for each in question.components if isinstance(each, Component)),
            *(
                _adapter_part(number, member, files, claims, wordings)
                for number, member in enumerate(members, 1)
            ),
        )

    def credit(self, medium: str = "web", language: str = "en") -> CreditText:
        """Raises UnknownMedium, UnknownLanguage."""
        return credit_text(
            self.verdict, self.parts, self.stack.act, medium=medium, language=language,
            table=self.stack.basis.table,
        )  # fmt: skip

    def notice(self) -> Bundle:
        """The NOTICE bundle; one more query for the texts we hold."""
        table = self.stack.basis.table
        named = {entry.license for entry in self.verdict.ledger if entry.license}
        texts = license_texts(named, [member.version.pk for member in self.stack.members], table)
        return notice_bundle(self.verdict, self.parts, self.stack.act, texts, table=table)

    def bom(self, made: datetime, version: str = "") -> str:
        """CycloneDX JSON. Raises BomInvalid."""
        return bill_of_materials(
            self.verdict, self.parts, self.stack.act, self.stack.facts, made=made, version=version,
            table=self.stack.basis.table,
        )  # fmt: skip


def _by_version(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.version_id, []).append(row)
    return found


def _base_part(base: BaseModel | None, license_id: str | None) -> Part:
    if base is None:
        return Part(layer="base", name="base model (not known)")
    url = f"{_HUB}{base.weights}" if _is_repository(base.weights) else ""
    aliases = [alias.name for alias in base.aliases.all() if alias.host == "huggingface"]
    if not url and aliases and _is_repository(aliases[0]):
        url = f"{_HUB}{aliases[0]}"
    return Part(
        layer="base",
        name=base.name,
        # The account that publishes it; the steward of a license such as Apache's is somebody else.
        creator=url.removeprefix(_HUB).partition("/")[0],
        url=url,
        declared=license_id,
        purl=purl_of(base.name, "", url),
    )


def _is_repository(name: str) -> bool:
    """`owner/name` of the Hub, as against a local folder."""
    owner, slash, rest = name.partition("/")
    return bool(slash and owner.strip(".~") and rest and "/" not in rest and "\\" not in name)


def _component_part(component: Component) -> Part:
    label = component.name or component.license or "unknown"
    return Part(layer=f"component:{label}", name=label, declared=component.license)


def _adapter_part(
    number: int,
    member: Member,
    files: Mapping[int, list[File]],
    claims: Mapping[int, list[TermsClaim]],
    wordings: Mapping[int, dict[str, Any]],
) -> Part:
    version, adapter = member.version, member.version.adapter
    own = tuple(PartFile(file.name, file.blob_id, file.blob.size) for file in files.get(version.pk, ()))
    stated = claims.get(version.pk, [])
    declared = [
        claim.value
        for claim in stated
        if claim.kind == ClaimKind.LICENSE
        and claim.standing == Standing.DECLARED
        and isinstance(claim.value, str)
    ]
    wording = wordings.get(version.pk, {}).get("wording", "")
    return Part(
        layer=f"adapter:{number}",
        name=adapter.name,
        creator=adapter.creator.name if adapter.creator else "",
        version=version.name,
        url=adapter.source_url,
        creator_url=adapter.creator.url if adapter.creator else "",
        wording=wording if isinstance(wording, str) else "",
        weight=member.weight,
        declared=declared[0] if len(set(declared)) == 1 else None,
        purl=purl_of(adapter.name, version.name, adapter.source_url, own),
        files=own,
        evidence=tuple(dict.fromkeys(str(citation) for citation in citations(stated))),
    )
