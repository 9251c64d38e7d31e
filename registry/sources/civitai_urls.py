"""What a person writes for something on Civitai: ids, page and download addresses, AIR names, hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from django.conf import settings

from registry.sources.announced import LENGTHS
from registry.sources.errors import ReferenceUnclear, SourceNotSupported
from registry.sources.text import identifier
from registry.sources.transport.policy import normal_host

_SHORT = re.compile(r"civitai:(?P<model>\d*)(?:@(?P<version>\d+)(?:\+(?P<file>\d+))?)?\Z", re.IGNORECASE)
# urn:air:{ecosystem}:{type}:{source}:{id}@{version}[+file] (github.com/civitai/civitai/wiki/AIR).
_AIR = re.compile(
    r"(?:urn:)?air:[\w.-]+:[\w.-]+:(?P<source>[a-z]+):(?P<id>[^@?+]+)(?:@(?P<version>[^?+]+?))?(?:\+(?P<file>\d+))?"
    r"(?:\.(?:safetensors|ckpt|pt))?\Z",
    re.IGNORECASE,
)
_HASH = re.compile(r"(?P<kind>sha256|blake3|autov[123]|crc32):(?P<digits>.*)\Z", re.IGNORECASE | re.DOTALL)
_PATHS = (
    re.compile(r"/api/download/models/(?P<version>\d+)/?\Z"),
    re.compile(r"/api/v1/model-versions/by-hash/(?P<hash>[0-9A-Fa-f]+)/?\Z"),
    re.compile(r"/(?:api/v1/)?model-versions/(?:mini/)?(?P<version>\d+)/?\Z"),
    re.compile(r"/(?:api/v1/)?models/(?P<model>\d+)(?:/[^/]*)?/?\Z"),
)
_HOW = (
    "Write civitai:MODEL or civitai:MODEL@VERSION with its numbers, paste the address of its page or "
    "download, its AIR, or a hash such as sha256:..."
)


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing on Civitai. Ids are decimal text, hashes upper-case hexadecimal; what is not said is empty.

    `file`: the one file of the version that is meant. `hashes`: (kind, digits), the kind empty where the
    source does not tell; then nothing else is set.
    """

    model: str = ""
    version: str = ""
    file: str = ""
    hashes: tuple[tuple[str, str], ...] = ()


def is_reference(source: str) -> bool:
    """Whether SOURCE is spelled as something on Civitai, right or wrong."""
    source = source.strip()
    if re.match(r"civitai:|(urn:)?air:", source, re.IGNORECASE) or _HASH.match(source):
        return True
    parts = _address(source)
    return parts is not None and _is_site(parts)


def parse_reference(source: str) -> Reference:
    """What SOURCE means. Raises ReferenceUnclear, and SourceNotSupported for an AIR of another host."""
    source = source.strip()
    if found := _SHORT.match(source):
        return _of_ids(source, found["model"], found["version"], found["file"])
    if found := _AIR.match(source):
        if found["source"].lower() != "civitai":
            told = f"Write hf:{found['id']}." if found["source"].lower() == "huggingface" else None
            words = f"{source[:200]} names a resource of {found['source']}, not of Civitai."
            raise SourceNotSupported(words, next_step=told)
        return _of_ids(source, found["id"], found["version"], found["file"])
    if found := _HASH.match(source):
        return Reference(hashes=_hashes(found["kind"].lower(), found["digits"]))
    parts = _address(source)
    if parts is not None and _is_site(parts):
        return _of_address(source, parts)
    raise ReferenceUnclear(f"{source[:200]} names nothing on Civitai.", next_step=_HOW)


def creator_of(target: str) -> str:
    """A creator's name, from the name itself or the address of the creator's page."""
    parts = _address(target)
    found = re.search(r"/user/([^/]+)", parts.path) if parts is not None and _is_site(parts) else None
    return unquote(found[1]) if found else target.strip().removeprefix("@")


def tag_of(target: str) -> str:
    """A tag's name, from the name itself or the address of a page that lists it."""
    parts = _address(target)
    if parts is None or not _is_site(parts):
        return target.strip().removeprefix("#")
    if found := re.search(r"/tag/([^/]+)", parts.path):
        return unquote(found[1])
    return next(iter(parse_qs(parts.query).get("tag", [])), "")


def api() -> str:
    """The address of the API that is asked, without a slash at the end (setting CIVITAI_API)."""
    return str(settings.CIVITAI_API).rstrip("/")


def site() -> str:
    """The address of the site whose API is asked: what stands before /api/v1."""
    return api().removesuffix("/api/v1")


def canonical(path: str) -> str:
    """The address under which an answer of the API is kept: one for all hosts that are the same site."""
    own = urlsplit(api())
    known = [normal_host(each) for each in settings.CIVITAI_SITES]
    if normal_host(own.hostname or "").removeprefix("www.") in known:
        return f"https://{known[0]}{own.path}{path}"
    return f"{api()}{path}"


def download_url(version: str, file: str = "", query: str = "") -> str:
    """Where the bytes of a file are: only its id tells two files of equal type and format apart."""
    told = "&".join(each for each in (query, f"fileId={quote(file)}" if file else "") if each)
    return f"{site()}/api/download/models/{quote(version)}" + (f"?{told}" if told else "")


def _of_ids(source: str, model: str, version: str | None, file: str | None) -> Reference:
    reference = Reference(identifier(model), identifier(version or ""), identifier(file or ""))
    unread = (model and not reference.model) or (version and not reference.version)
    if unread or not (reference.model or reference.version):
        raise ReferenceUnclear(f"{source[:200]} has no number of a model.", next_step=_HOW)
    return reference


def _of_address(source: str, parts: SplitResult) -> Reference:
    query = parse_qs(parts.query)

    def first(name: str) -> str:
        return identifier(next(iter(query.get(name, [])), ""))

    for pattern in _PATHS:
        if found := pattern.search(parts.path):
            groups = found.groupdict()
            if digits := groups.get("hash"):
                return Reference(hashes=(("", digits.upper()),))
            version = identifier(groups.get("version") or "") or first("modelVersionId")
            return Reference(identifier(groups.get("model") or ""), version, first("fileId"))
    raise ReferenceUnclear(f"{parts.hostname}{parts.path[:150]} is no page of a model.", next_step=_HOW)


def _hashes(kind: str, told: str) -> tuple[tuple[str, str], ...]:
    found = []
    for each in re.split(r"[\s,]+", told.strip()):
        digits = each.lower().removeprefix(f"{kind}:")
        if len(digits) not in LENGTHS[kind] or not re.fullmatch(r"[0-9a-f]+", digits):
            digest = f"{' or '.join(map(str, LENGTHS[kind]))} hexadecimal digits"
            raise ReferenceUnclear(f"{each[:80]} is no {kind}, which has {digest}.", next_step=_HOW)
        found.append((kind, digits.upper()))
    return tuple(dict.fromkeys(found))


def _address(source: str) -> SplitResult | None:
    try:
        parts = urlsplit(source.strip())
        return parts if parts.scheme in {"http", "https"} and parts.hostname else None
    except ValueError:
        return None


def _is_site(parts: SplitResult) -> bool:
    host = normal_host(parts.hostname or "").removeprefix("www.")
    if host in {normal_host(each) for each in settings.CIVITAI_SITES}:
        return True
    own = urlsplit(site())
    return parts.netloc.rpartition("@")[2].lower() == own.netloc.lower() and parts.path.startswith(own.path)
