"""At which address a host may be talked to, judged on the very address that is connected to."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from registry.sources.http import get, recorded_connections
from registry.sources.transport.guard import is_allowed, open_socket
from registry.sources.upstream_errors import AddressNotAllowed, UpstreamUnreachable
from tests.conftest import need_program
from tests.upstreams.faults import FaultyServer, Reply, Request

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fd12::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]
NEVER = [
    "0.0.0.0",
    "::",
    "169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "fd00:ec2::254",
    "100.100.100.200",
    "224.0.0.1",
    "ff02::1",
    "240.0.0.1",
    "255.255.255.255",
    "::ffff:0.0.0.0",
]
OUTSIDE = ["104.18.22.206", "1.1.1.1", "2606:4700::6812:16ce", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_may_be_connected_to(address: str) -> None:
    assert is_allowed(address, private=False)


@pytest.mark.parametrize("address", INSIDE)
def test_inside_addresses_are_for_hosts_that_are_named_private(address: str) -> None:
    assert not is_allowed(address, private=False)
    assert is_allowed(address, private=True)


@pytest.mark.parametrize("address", NEVER)
def test_metadata_and_link_local_addresses_are_for_nobody(address: str) -> None:
    assert not is_allowed(address, private=False)
    assert not is_allowed(address, private=True)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_ipv6_dress(address: IPv4Address) -> None:
    number = int(address)
    dresses = (
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),
        IPv6Address(0x2002 << 112 | number << 80),
    )
    for private in (False, True):
        plain = is_allowed(str(address), private=private)
        assert [is_allowed(str(each), private=private) for each in dresses] == [plain] * 3


def resolver(*answers: list[str]) -> Callable[..., list[Any]]:
    """A name server whose answers change from one question to the next."""
    left = list(answers)

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    return getaddrinfo


@pytest.mark.parametrize("found", [["127.0.0.1"], ["104.18.22.206", "127.0.0.1"], ["169.254.169.254"]])
def test_a_public_name_that_leads_inside_is_not_connected_to(
    found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver(found))
    with recorded_connections() as seen, pytest.raises(AddressNotAllowed) as refused:
        get("https://civitai.com/api/v1/models")
    assert seen == []
    assert refused.value.code == "address_not_allowed" and refused.value.permanent
    assert refused.value.who_to_ask == "the administrator of this Kura"


def test_a_name_that_changes_its_mind_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.UPSTREAM_PRIVATE_HOSTS = ["kura.lan:9"]
    monkeypatch.setattr(socket, "getaddrinfo", resolver(["127.0.0.1"], ["169.254.169.254"]))
    with recorded_connections() as seen, pytest.raises(OSError):
        open_socket("kura.lan", 9, 1.0)
    assert [each.address for each in seen] == ["127.0.0.1"]


class Page(FaultyServer):
    def answer(self, request: Request) -> Reply:
        return Reply.of_json({"host": request.headers["host"]})


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    openssl = need_program("openssl")
    key, made = tmp_path / "key.pem", tmp_path / "certificate.pem"
    name = ["-subj", "/CN=upstream.test", "-addext", "subjectAltName=DNS:upstream.test"]
    subprocess.run(
        [
            openssl,
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            *name,
            "-keyout",
            key,
            "-out",
            made,
        ],
        check=True,
        capture_output=True,
    )
    return made, key


def test_the_certificate_is_checked_against_the_name_not_the_address(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    made, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    with Page(tls=context) as server:
        port = server.host.rpartition(":")[2]
        settings.UPSTREAM_PRIVATE_HOSTS = [f"upstream.test:{port}", f"other.test:{port}"]
        settings.UPSTREAM_CA_BUNDLE = str(made)
        monkeypatch.setattr(socket, "getaddrinfo", resolver(["127.0.0.1"]))
        with recorded_connections() as seen:
            answer = get(f"https://upstream.test:{port}/")
        assert answer.json() == {"host": f"upstream.test:{port}"}
        assert [(each.host, each.address) for each in seen] == [("upstream.test", "127.0.0.1")]
        with pytest.raises(UpstreamUnreachable, match="certificate"):
            get(f"https://other.test:{port}/")
