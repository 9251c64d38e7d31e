"""The requests session of this process: connections through the guard, no proxies, no cookies, no netrc."""

from __future__ import annotations

import os
import socket
import threading
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from registry.sources.transport.guard import open_socket

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


def _new_session() -> requests.Session:
    made = requests.Session()
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


class _Plain(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _Secure(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)


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
