"""The requests session of this process: connections through the guard, no proxies, no cookies, no netrc."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from registry.sources.transport.deadlines import deadline
from registry.sources.transport.guard import open_socket
from registry.sources.transport.policy import current_policy

_sessions: dict[int, requests.Session] = {}
_lock = threading.Lock()


def session() -> requests.Session:
    """The session of this process. One made before a fork is not used after it: two would share a socket."""
    with _lock:
        found = _sessions.get(os.getpid())
        if found is None:
            _sessions.clear()
            found = _sessions[os.getpid()] = _new_session()
        return found


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: the library would look at the redirect, and for that read all of its body, though it is not
        to follow it.
        """
        return None


def _new_session() -> requests.Session:
    made = _Session()
    # Neither proxies nor passwords of the environment: a proxy would resolve names behind the guard's back.
    made.trust_env = False
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    made.headers.clear()
    for scheme in ("https://", "http://"):
        made.mount(scheme, GuardedAdapter(max_retries=0, pool_connections=32, pool_maxsize=16))
    return made


def _connect(connection: HTTPConnection) -> socket.socket:
    timeout = connection.timeout if isinstance(connection.timeout, int | float) else None
    try:
        return open_socket(connection.host, connection.port, timeout)
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, f"{connection.host} did not answer.") from error
    except OSError as error:
        raise NewConnectionError(connection, f"{connection.host}: {error.strerror}.") from error


class _Response(http.client.HTTPResponse):
    """Lets go of the socket where no head comes; the library leaves that to the garbage collector."""

    def begin(self) -> None:
        try:
            super().begin()
        except BaseException:
            self.close()
            raise


class _Plain(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connect(self)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        return _in_time(self, super().getresponse)


class _Secure(HTTPSConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connect(self)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        return _in_time(self, super().getresponse)


def _in_time(connection: HTTPConnection, respond: Callable[[], HTTPResponse]) -> HTTPResponse:
    """The head of the answer; one that drips is ended: a socket's timeout begins anew with each byte."""
    opened = connection.sock

    def end() -> None:
        # Not by the method of a TLS socket: that would take the key away from the thread that reads.
        if opened is not None:
            socket.socket.shutdown(opened, socket.SHUT_RDWR)

    with deadline(current_policy().total_seconds, end) as time:
        response = respond()
    if time.over:
        response.close()
        raise TimeoutError("the head of the answer did not come in time")
    return response


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class GuardedAdapter(HTTPAdapter):
    """Opens every connection through the guard; certificates are checked against the host's name as ever."""

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        manager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **pool_kwargs)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        self.poolmanager = manager
