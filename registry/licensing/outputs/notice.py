"""The NOTICE bundle: a zip with all that has to travel with a stack, the same bytes for the same stack.

License copies where we hold the text, else the address and what to fetch, stated as missing; notices; what
was changed; the use restrictions users must be bound to, by clause; the credit in every medium; the verdict;
and digests of it all. Nothing in it carries the time it was made, so two bundles can be compared.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from registry.licensing.outputs.credit import MEDIA, credit_text
from registry.licensing.outputs.parts import Asked, Part, asked_of, change_of, plain, web_address, weight_word
from registry.licensing.outputs.phrases import LANGUAGES
from registry.licensing.schema import License
from registry.licensing.table import LICENSES, NO_TEXT, Table
from registry.licensing.verdict import Verdict
from registry.licensing.vocabulary import ACTS, CONDITIONS

# The earliest date a zip can hold: all entries bear it.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_COPY: Final = ("include_license_copy", "use_restrictions_flow_down", "share_alike", "notify_transferee")
_RESTRICTIONS: Final = ("use_restrictions_flow_down", "use_based_restrictions", "no_guardrail_bypass")


@dataclass(frozen=True)
class LicenseText:
    """A copy of a license's text that we hold. `source`: where these words were read."""

    license: str
    text: str
    source: str


@dataclass(frozen=True)
class Missing:
    """A copy the bundle lacks. `url`: where to fetch it, empty where no address is known. `required`: whether
    a duty of the verdict wants it."""

    license: str
    name: str
    url: str
    required: bool

    def as_dict(self) -> dict[str, object]:
        return {"license": self.license, "name": self.name, "url": self.url, "required": self.required}


@dataclass(frozen=True)
class Bundle:
    """The zip, the paths in it with the SHA256 of each, and the license copies that could not be put in."""

    data: bytes
    files: Mapping[str, str]
    missing: tuple[Missing, ...]


def notice_bundle(
    verdict: Verdict,
    parts: Sequence[Part],
    act: str,
    texts: Mapping[str, LicenseText],
    *,
    table: Table = LICENSES,
) -> Bundle:
    """The bundle for doing the act with these parts. `texts`: license id -> the copy we hold of it."""
    asked = asked_of(verdict, parts, table)
    rows = _licenses(asked)
    missing = tuple(
        Missing(row.id, row.name, web_address(row.url), required)
        for row, required in rows
        if row.id not in texts
    )
    files = {
        "NOTICE.txt": _notice(asked),
        "CHANGES.txt": _changes(parts, act),
        "verdict.json": _json(verdict.as_dict() | {"act": act, "parts": [_part(part) for part in parts]}),
    }
    for row, _ in rows:
        if row.id in texts:
            files[f"licenses/{_file_name(row.id)}.txt"] = texts[row.id].text
    if annex := _user_terms(asked, texts):
        files["USER-TERMS.txt"] = annex
    if missing:
        files["MISSING.txt"] = _missing(missing)
    for language in LANGUAGES:
        for medium in MEDIA:
            credit = credit_text(verdict, parts, act, medium=medium, language=language, table=table)
            files[f"credit/{medium}.{language}.txt"] = credit.text
            if medium == "web":
                files[f"credit/web.{language}.md"] = credit.markdown
                files[f"credit/web.{language}.html"] = credit.html
            if credit.description:
                files[f"credit/video-description.{language}.txt"] = credit.description
    files["README.txt"] = _readme(verdict, act, asked, files, missing)
    return _zipped(files, verdict, act, texts, missing)


def _zipped(
    files: Mapping[str, str],
    verdict: Verdict,
    act: str,
    texts: Mapping[str, LicenseText],
    missing: Sequence[Missing],
) -> Bundle:
    content = {path: (text if text.endswith("\n") else f"{text}\n").encode() for path, text in files.items()}
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in sorted(content.items())}
    sources = {f"licenses/{_file_name(text.license)}.txt": text.source for text in texts.values()}
    manifest = {
        "act": act,
        "outcome": verdict.outcome,
        "conditions": list(verdict.conditions),
        "standing": list(verdict.standing),
        "missing": [each.as_dict() for each in missing],
        "files": [
            {"path": path, "sha256": digest, "size": len(content[path])}
            | ({"source": sources[path]} if path in sources else {})
            for path, digest in digests.items()
        ],
    }
    content["manifest.json"] = f"{_json(manifest)}\n".encode()
    digests["manifest.json"] = hashlib.sha256(content["manifest.json"]).hexdigest()
    # As `sha256sum -c SHA256SUMS` reads it.
    sums = "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items()))
    content["SHA256SUMS"] = sums.encode()
    buffer = io.BytesIO()
    # Stored, not deflated: compressed bytes differ from one zlib to the next.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, data in sorted(content.items()):
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return Bundle(buffer.getvalue(), digests, tuple(missing))


def _licenses(asked: Sequence[Asked]) -> list[tuple[License, bool]]:
    """Every license of the ledger that has a text, and whether a copy of it must be handed over."""
    needed: dict[str, bool] = {}
    rows: dict[str, License] = {}
    for each in asked:
        for row in each.licenses:
            if row.id not in NO_TEXT:
                rows[row.id] = row
                needed[row.id] = needed.get(row.id, False) or each.asks(*_COPY)
    return [(row, needed[name]) for name, row in sorted(rows.items())]


def _notice(asked: Sequence[Asked]) -> str:
    lines = ["NOTICE", "", "This work contains, or was made with, the following:", ""]
    notices: dict[str, None] = {}
    for each in asked:
        if each.part is None:
            continue
        part = each.part
        lines.append(f"* {plain(f'{part.name} {part.version}')}")
        lines += [
            f"  {label}: {value}"
            for label, value in (
                ("Author", plain(part.creator)),
                ("Source", web_address(part.url)),
                ("Prescribed credit", plain(part.wording)),
            )
            if value
        ]
        for row in each.licenses:
            lines.append(f"  License: {row.name}{f' <{row.url}>' if web_address(row.url) else ''}")
        if not each.licenses:
            lines.append("  License: the terms stated on its page; none was recognized.")
        lines += [f"  SHA256 {file.sha256}  {plain(file.name)}" for file in part.files]
        lines.append("")
    for each in asked:
        for condition in each.duties("powered_by_notice"):
            notices[str(condition.parameter)] = None
    if notices:
        lines += ["Notices that have to be shown on the site, in the interface or in the documentation:", ""]
        lines += [f"  {text}" for text in notices]
        lines.append("")
    lines += [
        "Where the author of a part ships a file named NOTICE or a copyright line with it, add it below:",
        "Apache-2.0 (4.d), MIT and BSD want those words kept.",
    ]
    return "\n".join(lines)


def _changes(parts: Sequence[Part], act: str) -> str:
    change = change_of(act)
    lines = ["CHANGES", ""]
    for part in parts:
        name = plain(f"{part.name} {part.version}")
        if change == "unchanged":
            said = "passed on unchanged."
        elif change == "merged":
            at = f" at weight {weight_word(part.weight)}" if part.weight is not None else ""
            said = (
                f"merged{at}; the result is a modified version."
                if part.is_adapter
                else "modified by merging."
            )
        else:
            at = f" at weight {weight_word(part.weight)}" if part.weight is not None else ""
            said = f"used{at}; its files were not changed."
        lines.append(f"* {name}: {said}")
    return "\n".join(lines)


def _user_terms(asked: Sequence[Asked], texts: Mapping[str, LicenseText]) -> str:
    """The annex for one's own terms: restrictions by reference, never retold, so that nothing is lost."""
    rows = list(_restrictions(asked, texts))
    if not rows or not any(each.asks("use_restrictions_flow_down") for each in asked):
        return ""
    head = [
        "USER TERMS, ANNEX: USE RESTRICTIONS THAT FLOW DOWN",
        "",
        "By using this work you agree to the use restrictions named below. They are part of these terms as",
        "they stand in the license texts, and you hand them on with the same binding force to whoever",
        "receives the work or a version of it from you.",
        "",
    ]
    return "\n".join([*head, *rows])


def _restrictions(asked: Sequence[Asked], texts: Mapping[str, LicenseText]) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    for each in asked:
        for name in _RESTRICTIONS:
            clause = each.clause(name)
            if not each.asks(name) or (name, clause) in seen:
                continue
            seen.add((name, clause))
            part = plain(f"{each.part.name} {each.part.version}") if each.part else "the whole"
            yield f"* {part}: {CONDITIONS[name].label.lower()} ({clause or 'no clause recorded'})"
            for row in each.licenses:
                held = f"licenses/{_file_name(row.id)}.txt" if row.id in texts else web_address(row.url)
                yield f"  {row.name}: {held or 'its text is missing, see MISSING.txt'}"


def _missing(missing: Sequence[Missing]) -> str:
    lines = [
        "MISSING",
        "",
        "These license texts are not held here. Fetch each and put it into licenses/:",
        "",
    ]
    for each in missing:
        where = each.url or "no address is known; ask the author of the part"
        why = "a copy has to be handed over" if each.required else "no duty asks for a copy; good to have"
        lines += [
            f"* {each.name} ({each.license})",
            f"  from: {where}",
            f"  to: licenses/{_file_name(each.license)}.txt",
        ]
        lines.append(f"  {why}.")
    return "\n".join(lines)


def _readme(
    verdict: Verdict, act: str, asked: Sequence[Asked], files: Mapping[str, str], missing: Sequence[Missing]
) -> str:
    lines = [
        "NOTICE BUNDLE",
        "",
        f"For: {ACTS[act].label}. {ACTS[act].description}",
        f"Verdict: {verdict.outcome}.",
    ]
    if verdict.outcome not in ("allowed", "conditional"):
        lines.append(
            "The act is not cleared. This bundle does not make it allowed; it records what was found."
        )
    if verdict.conditions:
        lines += ["", "Conditions:", *(f"  - {text}" for text in verdict.conditions)]
    duties = dict.fromkeys(c for each in asked for c in each.conditions if c.kind.kind == "duty")
    if duties:
        lines += ["", "To do:", *(f"  - {c}: {c.kind.step}" for c in duties)]
    prefixes = [str(c.parameter) for c in duties if c.name == "naming_prefix"]
    if prefixes:
        lines.append(f"  - The name of what you publish has to begin with: {', '.join(prefixes)}.")
    lines += ["", "In this bundle:"]
    told = {
        "NOTICE.txt": "who made the parts, and the notices to show",
        "CHANGES.txt": "what was done to each part",
        "USER-TERMS.txt": "an annex for your own terms: use restrictions by reference",
        "MISSING.txt": "license texts to fetch",
        "verdict.json": "the verdict with every layer, clause and piece of evidence",
    }
    lines += [f"  {path}: {what}" for path, what in told.items() if path in files]
    lines += ["  credit/: the credit for web, print and video, in English and Japanese"]
    if any(path.startswith("licenses/") for path in files):
        lines.append("  licenses/: the license texts")
    lines += ["  manifest.json, SHA256SUMS: digests; check them with `sha256sum -c SHA256SUMS`", ""]
    if any(each.required for each in missing):
        lines += ["INCOMPLETE: a license text that has to be handed over is missing. See MISSING.txt.", ""]
    lines.append("A reading of the terms with its sources, not legal advice.")
    return "\n".join(lines)


def _part(part: Part) -> dict[str, Any]:
    return {
        "layer": part.layer,
        "name": part.name,
        "version": part.version,
        "creator": part.creator,
        "url": part.url,
        "weight": part.weight,
        "declared": part.declared,
        "files": [{"name": file.name, "sha256": file.sha256, "size": file.size} for file in part.files],
        "evidence": list(part.evidence),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)


def _file_name(license_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+_-]", "-", license_id)
