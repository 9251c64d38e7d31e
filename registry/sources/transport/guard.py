"""The one place where a connection is opened: the name is resolved once, each address is judged, and the very
address that was judged is connected to, so that a name that changes its mind in between gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from registry.sources.transport.policy import current_policy
from registry.sources.upstream_errors import AddressNotAllowed

Address = IPv4Address | IPv6Address
# Networks whose addresses carry an IPv4 address that packets end up at: NAT64 (RFC 6052), 6to4 (RFC 3056).
_NAT64 = IPv6Network("64:ff9b::/96")
# Where clouds hand out a machine's own credentials, beside the link-local ones.
_METADATA = frozenset({ip_address("fd00:ec2::254"), ip_address("100.100.100.200")})


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection that is about to be made: the host asked for, and the address it was found at."""

    host: str
    port: int
    address: str


_observers: list[Callable[[Connection], None]] = []


@contextmanager
def recorded_connections() -> Iterator[list[Connection]]:
    """Every connection opened by any thread of this process meanwhile."""
    seen: list[Connection] = []
    _observers.append(seen.append)
    try:
        yield seen
    finally:
        _observers.remove(seen.append)


def open_socket(host: str, port: int, timeout: float | None) -> socket.socket:
    """A socket connected to an address of the host that may be talked to.

    Raises HostNotAllowed, AddressNotAllowed when the name leads to one that may not be, OSError when none
    answers.
    """
    policy = current_policy()
    policy.check_connection(host, port)
    private = policy.may_be_private(host, port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        # A label that is empty or too long for DNS.
        raise socket.gaierror(socket.EAI_NONAME, "no such name") from None
    for *_, place in found:
        _check(host, str(place[0]), private=private)
    failure: OSError | None = None
    for family, kind, protocol, _, place in found:
        connection = Connection(host, port, str(place[0]))
        for observe in tuple(_observers):
            observe(connection)
        try:
            return _connect(family, kind, protocol, place, timeout)
        except OSError as error:
            failure = error
    raise failure or OSError(f"{host} has no address.")


def is_allowed(address: str, *, private: bool) -> bool:
    """Whether this address may be connected to; `private`: the host may be a machine of one's own."""
    ip = _innermost(ip_address(address.partition("%")[0]))
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in _METADATA:
        return False
    if ip.is_loopback or ip.is_private or (ip.version == 6 and ip.is_site_local):
        # Reserved ones (240.0.0.0/4) are private to Python, and nobody's.
        return private and not (ip.version == 4 and ip.is_reserved)
    if not ip.is_global:
        return private
    return not ip.is_reserved


def _check(host: str, address: str, *, private: bool) -> None:
    if not is_allowed(address, private=private):
        raise AddressNotAllowed(f"{host} leads to {address}, an address that is not public.")


def _innermost(ip: Address) -> Address:
    """The IPv4 address inside an IPv6 one that stands for it, else the address itself."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    teredo = ip.teredo
    return ip.ipv4_mapped or ip.sixtofour or (teredo[1] if teredo else None) or ip


def _connect(family: int, kind: int, protocol: int, place: Any, timeout: float | None) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(timeout)
        made.connect(place)
    except BaseException:
        made.close()
        raise
    return made
