"""House licenses: rows of the license table that an administrator writes, each edit a revision of its own."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from registry.ledger import audit
from registry.licensing.schema import License as Row
from registry.licensing.schema import Problem, digest_of, license_from_row, problems, row_of
from registry.licensing.table import LICENSES
from registry.licensing.vocabulary import ACTS
from registry.models import License
from registry.seed import new_revision


def read_text(text: str, current: License | None = None) -> tuple[Row | None, tuple[Problem, ...]]:
    """The license that TOML or JSON tells, or what is wrong with it, place by place.

    `current` is the revision that is edited; its id cannot change. A revision number in the text does not
    count: numbers are given out when a row is saved.
    """
    try:
        row = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return None, (("text", f"neither TOML nor JSON can be read here: {error}"),)
    if isinstance(row, dict):
        row = {key: value for key, value in row.items() if key != "revision"}
    found = (*problems(row), *_of_the_id(row, current))
    return (None, found) if found else (license_from_row(row), ())


def _of_the_id(row: Any, current: License | None) -> tuple[Problem, ...]:
    name = row.get("id") if isinstance(row, Mapping) else None
    if not isinstance(name, str):
        return ()
    if current is not None:
        same = name == current.license_id
        return () if same else (("id", f"the id {current.license_id} stays; another id is another license"),)
    if name.casefold() in LICENSES.folded:
        return (("id", f"{name} is a built-in license; a house license needs an id of its own"),)
    if License.objects.filter(license_id__iexact=name).exists():
        return (("id", f"there is a house license {name} already; edit that one"),)
    return ()


@transaction.atomic
def save(row: Row, actor: str) -> License:
    """Make the row the current revision of its license. The same content again changes nothing."""
    before = License.objects.select_for_update().filter(license_id=row.id, current=True).first()
    data = {key: value for key, value in row_of(row).items() if key != "revision"}
    digest = digest_of(data)
    if before is not None and before.sha256 == digest:
        return before
    made = new_revision(before, row.id, name=row.name, url=row.url, data=data, sha256=digest)
    acts = [
        act for act in ACTS if before is None or before.data.get("acts", {}).get(act) != data["acts"][act]
    ]
    audit(
        actor,
        "edit" if before else "add",
        f"license:{row.id}",
        revision=made.revision,
        sha256=digest,
        acts=acts,
    )
    return made


def as_toml(data: Mapping[str, Any]) -> str:
    """A row of the table in the spelling of its data files."""
    acts = data.get("acts", {})
    lines = [f"{key} = {_value(value)}" for key, value in data.items() if key not in ("acts", "revision")]
    for act in acts:
        lines += ["", f"[acts.{act}]", *(f"{key} = {_value(value)}" for key, value in acts[act].items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    # Texts, numbers, booleans and lists of texts are spelled alike in JSON and TOML.
    return json.dumps(value, ensure_ascii=False)


def blank() -> str:
    """What a new house license starts from: silent on every act, so that nothing is granted by oversight."""
    facts = {"id": "", "name": "", "family": "custom", "confidence": "read_in_text", "url": "", "sources": []}
    return as_toml({**facts, "acts": {act: {"status": "silent"} for act in ACTS}})
