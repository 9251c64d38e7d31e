"""Typed reading of environment variables; a bad value stops the start with its name and what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class ConfigError(ImproperlyConfigured):
    """A setting has a value that cannot be used."""

    code = "bad_setting"
    permanent = True


def env_str(name: str, default: str = "") -> str:
    """The variable's text without surrounding blanks; unset and empty both give the default."""
    return os.environ.get(name, "").strip() or default


def env_bool(name: str, default: bool) -> bool:
    """True or False; anything that is not plainly one of them is refused."""
    raw = env_str(name).lower()
    if not raw:
        return default
    if raw in _TRUE:
        return True
    if raw in _FALSE:
        return False
    raise ConfigError(f"{name} must be true or false, not {raw!r}.")


def env_int(name: str, default: int, *, minimum: int | None = None, maximum: int | None = None) -> int:
    """A whole number within the bounds."""
    raw = env_str(name)
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError:
        raise ConfigError(f"{name} must be a whole number, not {raw!r}.") from None
    if minimum is not None and value < minimum:
        raise ConfigError(f"{name} must be at least {minimum}, not {value}.")
    if maximum is not None and value > maximum:
        raise ConfigError(f"{name} must be at most {maximum}, not {value}.")
    return value


def env_list(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Comma-separated words; blanks around them are dropped."""
    raw = env_str(name)
    if not raw:
        return list(default)
    return [word for part in raw.split(",") if (word := part.strip())]


def env_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """One of the choices, spelled exactly so."""
    value = env_str(name, default)
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def env_choices(name: str, default: tuple[str, ...], choices: tuple[str, ...]) -> list[str]:
    """Comma-separated words, each one of the choices."""
    values = env_list(name, default)
    if unknown := [value for value in values if value not in choices]:
        raise ConfigError(f"{name} may name {', '.join(choices)}, not {', '.join(unknown)}.")
    return values


def env_path(name: str, default: Path) -> Path:
    """An absolute path; `~` is expanded, a relative path counts from the working folder."""
    raw = env_str(name)
    return Path(raw).expanduser().resolve() if raw else default


def env_secret(name: str, default: str = "") -> str:
    """A secret from NAME, or from the file named by NAME_FILE (for Docker and Kubernetes secrets)."""
    path = env_str(f"{name}_FILE")
    if not path:
        return env_str(name, default)
    if env_str(name):
        raise ConfigError(f"Set {name} or {name}_FILE, not both.")
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{name}_FILE: cannot read {path} ({error.strerror}).") from None
    if not value:
        raise ConfigError(f"{name}_FILE: {path} is empty.")
    return value


def database_from_url(url: str) -> dict[str, Any]:
    """Django's DATABASES entry for `postgresql://user:password@host:port/name?option=value`.

    A socket folder goes in `?host=/run/postgresql`; all other query parameters (`sslmode`, `sslrootcert`,
    ...) are passed to libpq as they are. The password never appears in an error message.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ConfigError(
            f"DATABASE_URL must start with postgresql://, not {parts.scheme or 'nothing'}://. "
            "Only PostgreSQL 15 and newer is supported."
        )
    name = unquote(parts.path.removeprefix("/"))
    if not name or "/" in name:
        raise ConfigError("DATABASE_URL must end with one database name: postgresql://user@host:5432/kura.")
    try:
        port = parts.port
    except ValueError:
        raise ConfigError("DATABASE_URL has a port that is not a number from 1 to 65535.") from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    host = options.pop("host", "") or unquote(parts.hostname or "")
    return {
        "ENGINE": "config.postgres",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port or options.pop("port", "")),
        "OPTIONS": options,
    }
