"""What an adapter was called upstream before, and under which accounts it was; newest first."""

from __future__ import annotations

from registry.models import Adapter


def formerly(adapter: Adapter) -> list[str]:
    """The names that the adapter had upstream before it was renamed, as they stood in its address.

    Reads `adapter.upstream_identity`: select it with lists of adapters. A name that was given here, when
    somebody else took the adapter's own (registry/sources/renames.py), was never its name.
    """
    known = getattr(adapter, "upstream_identity", None)
    if known is None:
        return []
    mark = f"#{known.identity}"
    return [name for name in reversed(known.former) if not name.endswith(mark)]


def former_accounts(adapter: Adapter) -> list[str]:
    """The accounts that the adapter was under before, where they differ from that of its creator now."""
    now = adapter.creator.name if adapter.creator else adapter.source_key.rpartition("/")[0]
    accounts = [name.rpartition("/")[0] for name in formerly(adapter)]
    return [each for each in dict.fromkeys(accounts) if each and each != now]
