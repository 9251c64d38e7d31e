"""Settings of upstreams that are more than one word: tokens, numbers for single hosts, the user agent."""

from __future__ import annotations

from config.env import ConfigError


def upstream_tokens(raw: str, **usual: tuple[str, tuple[str, ...]]) -> dict[str, str]:
    """Host pattern -> token: `HOST=TOKEN,HOST:PORT=TOKEN` beside the usual ones, each a token and its hosts.

    No token ever appears in an error message.
    """
    tokens = {host: token for token, hosts in usual.values() if token for host in hosts}
    for part in filter(None, (each.strip() for each in raw.split(","))):
        host, equals, token = part.partition("=")
        if not equals or not host.strip() or not token.strip():
            raise ConfigError("UPSTREAM_TOKENS must be a list of HOST=TOKEN, separated by commas.")
        tokens[host.strip().lower()] = token.strip()
    return tokens


def per_host_numbers(name: str, parts: list[str]) -> dict[str, int]:
    """`HOST=NUMBER,...`: a whole number of at least 1 for each host."""
    numbers = {}
    for part in parts:
        host, _, number = part.partition("=")
        if not host.strip() or not number.strip().isdigit() or int(number) < 1:
            raise ConfigError(f"{name} must be a list of HOST=NUMBER, separated by commas, not {part!r}.")
        numbers[host.strip().lower()] = int(number)
    return numbers


def upstream_user_agent(release: str, contact: str) -> str:
    """`Kura/RELEASE (+CONTACT)`: who asks.

    Civitai takes some words for a browser's and answers with pages instead of errors.
    """
    agent = f"Kura/{release} (+{contact})" if contact else f"Kura/{release} (self-hosted LoRA registry)"
    taken = [
        word for word in ("mozilla", "chrome", "safari", "firefox", "opera", "edge") if word in agent.lower()
    ]
    if taken or not agent.isascii() or not agent.isprintable():
        raise ConfigError(
            f"UPSTREAM_CONTACT must be plain text without {taken[0] if taken else 'special characters'!r}: "
            "upstreams would take Kura for a browser."
        )
    return agent
