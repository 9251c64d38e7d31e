"""The one policy of talking to upstreams, read from the settings: hosts, credentials, timeouts, caps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings

from registry.sources.upstream_errors import BadAddress, HostNotAllowed, InsecureAddress

PORTS = {"https": 443, "http": 80}
# What every parser of addresses reads alike. In `evil.org\.civitai.com` one sees a subdomain of Civitai, and
# another, the one that connects, evil.org.
_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
# Names of query parameters that carry a secret of ours where people paste addresses.
_SECRET = frozenset(
    {
        "token",
        "access_token",
        "access-token",
        "api_key",
        "api-key",
        "apikey",
        "auth",
        "authorization",
        "hf_token",
    }
)
_SIGNATURE = re.compile(
    r"^(x-amz-.*|x-goog-.*|signature|sig|policy|key-pair-id|expires|hmac|verify)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token and the hosts it may be sent to, as patterns. Never printed."""

    hosts: tuple[str, ...]
    token: str

    def covers(self, url: str) -> bool:
        """Whether the token may go to this address."""
        return any(matches(pattern, urlsplit(url)) for pattern in self.hosts)

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self.hosts)})"


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be asked, how long, how often and how much. Sizes in bytes, times in seconds.

    `hosts` may be asked; `file_hosts` may moreover be redirected to, and get no token; `private_hosts` may
    have private addresses and plain http.
    """

    hosts: tuple[str, ...]
    file_hosts: tuple[str, ...]
    private_hosts: tuple[str, ...]
    user_agent: str
    connect_seconds: float
    read_seconds: float
    total_seconds: float
    least_speed: int
    tries: int
    backoff_seconds: float
    longest_wait: float
    answer_cap: int
    file_cap: int
    ca_bundle: str

    def check(self, url: str, *, redirected_from: str = "") -> SplitResult:
        """The address's parts, if it may be asked. Raises BadAddress, HostNotAllowed, InsecureAddress.

        A public upstream may not send a request on to a private host.
        """
        parts = split(url)
        if self.is_private(parts) and (not redirected_from or self.is_private(split(redirected_from))):
            return parts
        known = self.hosts + (self.file_hosts if redirected_from else ())
        if not any(matches(pattern, parts) for pattern in known):
            at = f" on port {parts.port}" if parts.port else ""
            why = "The upstream sends the request to" if redirected_from else "The address names"
            raise HostNotAllowed(f"{why} {parts.hostname}{at}, which is not on the list of upstreams.")
        if parts.scheme != "https":
            raise InsecureAddress(f"{parts.hostname} would be asked over plain http.")
        return parts

    def is_private(self, parts: SplitResult) -> bool:
        """Whether the host is one of those that may have a private address."""
        return any(matches(pattern, parts) for pattern in self.private_hosts)

    def may_be_private(self, host: str, port: int) -> bool:
        """The same of a connection about to be made."""
        return any(self.is_private(parts) for parts in _of_connection(host, port))

    def check_connection(self, host: str, port: int) -> None:
        """The last look, at what is connected to, however its address was read. Raises HostNotAllowed."""
        known = (*self.hosts, *self.file_hosts, *self.private_hosts)
        if not any(matches(pattern, parts) for parts in _of_connection(host, port) for pattern in known):
            raise HostNotAllowed(f"{host} on port {port} is not on the list of upstreams.")


def current_policy() -> Policy:
    """The policy of the settings as they are now."""
    return Policy(
        hosts=tuple(settings.UPSTREAM_HOSTS),
        file_hosts=tuple(settings.UPSTREAM_FILE_HOSTS),
        private_hosts=tuple(settings.UPSTREAM_PRIVATE_HOSTS),
        user_agent=settings.UPSTREAM_USER_AGENT,
        connect_seconds=settings.UPSTREAM_CONNECT_SECONDS,
        read_seconds=settings.UPSTREAM_READ_SECONDS,
        total_seconds=settings.UPSTREAM_TOTAL_SECONDS,
        least_speed=settings.UPSTREAM_LEAST_KB_PER_SECOND * 1024,
        tries=settings.UPSTREAM_TRIES,
        backoff_seconds=settings.UPSTREAM_BACKOFF_SECONDS,
        longest_wait=settings.UPSTREAM_LONGEST_WAIT_SECONDS,
        answer_cap=settings.UPSTREAM_ANSWER_MB * 2**20,
        file_cap=settings.UPSTREAM_FILE_GB * 2**30,
        ca_bundle=settings.UPSTREAM_CA_BUNDLE,
    )


def credentials_for(url: str) -> Credentials | None:
    """The token of the settings for this address, or None."""
    tokens: Mapping[str, str] = settings.UPSTREAM_TOKENS
    parts = split(url)
    for pattern, token in tokens.items():
        if token and matches(pattern, parts):
            same: Sequence[str] = [each for each, value in tokens.items() if value == token]
            return Credentials(tuple(same), token)
    return None


def _of_connection(host: str, port: int) -> list[SplitResult]:
    """The addresses, by either scheme, that lead to this host and port."""
    place = f"[{host}]" if ":" in host else host
    schemes = [name for name, usual in PORTS.items() if usual == port] or ["http"]
    return [urlsplit(f"{scheme}://{place}:{port}") for scheme in schemes]


def split(url: str) -> SplitResult:
    """The parts of an http or https address, the host in lower case. Raises BadAddress."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise BadAddress("The address cannot be read.") from None
    if parts.scheme not in PORTS or not host:
        raise BadAddress("The address is not one of http or https with a host's name.")
    if any(character.isspace() or ord(character) < 33 for character in url.strip()):
        raise BadAddress("The address has blanks or control characters in it.")
    normal = normal_host(host)
    if not _HOST.fullmatch(normal) and not (":" in normal and "%" not in host):
        raise BadAddress("The address has a host's name that no host can have.")
    return parts


def matches(pattern: str, parts: SplitResult) -> bool:
    """Whether `HOST`, `*.HOST` (any subdomain, not HOST itself), `HOST:PORT` or `HOST:*` names this address.

    Without a port the pattern means that of the scheme.
    """
    wanted, port = _host_and_port(pattern)
    host = normal_host(parts.hostname or "")
    if wanted != host and not (wanted.startswith("*.") and fnmatchcase(host, wanted)):
        return False
    return port == "*" or (parts.port or PORTS[parts.scheme]) == (int(port) if port else PORTS[parts.scheme])


def _host_and_port(pattern: str) -> tuple[str, str]:
    host, colon, port = pattern.rpartition(":")
    if not colon or not (port.isdigit() or port == "*") or (":" in host and not host.startswith("[")):
        host, port = pattern, ""
    return normal_host(host.strip("[]")), port


# A list asks for the same few hosts four times an item.
@lru_cache(maxsize=512)
def normal_host(host: str) -> str:
    """One spelling for one host: lower case, IDNA, no dot at the end, an IP address as Python writes it."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what two addresses share when a token for one may go to the other (RFC 6454)."""
    parts = split(url)
    return parts.scheme, normal_host(parts.hostname or ""), parts.port or PORTS[parts.scheme]


def host_and_path(url: str) -> str:
    """How an address is named in messages and logs: without its query, user and password."""
    parts = split(url)
    return f"{place_of(parts)}{parts.path}"


def place_of(parts: SplitResult) -> str:
    """Host and port in their one spelling, without user and password."""
    host = normal_host(parts.hostname or "")
    port = f":{parts.port}" if parts.port else ""
    return f"[{host}]{port}" if ":" in host else f"{host}{port}"


def without_secrets(url: str) -> str:
    """The address without user, password, tokens and signatures in its query: what may be stored."""
    parts = split(url)
    query = parts.query
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [
        (name, value) for name, value in pairs if name.lower() not in _SECRET and not _SIGNATURE.match(name)
    ]
    if kept != pairs:
        query = urlencode(kept)
    return urlunsplit((parts.scheme, place_of(parts), parts.path, query, ""))


def without_tokens(url: str) -> str:
    """The address as it is sent, its host spelled as it was judged.

    A token pasted into it is dropped: ours go into a header.
    """
    parts = split(url)
    query = parts.query
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name.lower() not in _SECRET]
    if kept != pairs:
        query = urlencode(kept)
    return urlunsplit((parts.scheme, place_of(parts), parts.path, query, ""))
