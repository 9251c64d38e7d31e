"""The process that benchmarks/triage.py measures: `python -m benchmarks.triage_child FOLDER` prints JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import django

# Models can be imported only now.
django.setup()

from django.test.utils import override_settings  # noqa: E402

from benchmarks.harness import seconds_of  # noqa: E402
from benchmarks.sdxl_file import write_sdxl_lora  # noqa: E402
from registry.sources.http import download  # noqa: E402
from registry.sources.remote_header import remote_header  # noqa: E402
from tests.upstreams.hub import CdnServer, HubServer  # noqa: E402

ROUNDS = 5
REPO, NAME = "mika/ink", "ink.safetensors"


def measure(folder: Path) -> dict[str, float]:
    """Sizes in bytes, times in seconds."""
    with (
        CdnServer() as cdn,
        HubServer() as hub,
        override_settings(UPSTREAM_PRIVATE_HOSTS=[hub.host, cdn.host], UPSTREAM_SHARED_BUDGETS=False),
    ):
        path = write_sdxl_lora(folder / NAME)
        size = path.stat().st_size
        hub.add(REPO, {NAME: path})
        url = f"{hub.url}/{REPO}/resolve/{hub.repos[REPO].head.sha}/{NAME}"
        told = remote_header(url, NAME, size=size)
        facts = (told.inspection.family, told.inspection.modules, (told.inspection.rank or {}).get("max"))
        assert facts == ("sdxl", 986, 32), facts
        sent, requests = hub.sent, len(hub.requests)
        assert sent == told.read, (sent, told.read)
        hub.cdn, hub.sent = cdn, 0
        remote_header(url, NAME, size=size)
        redirected = hub.sent + cdn.sent
        hub.cdn = None
        seconds = min(seconds_of(lambda: remote_header(url, NAME, size=size)) for _ in range(ROUNDS))
        whole = seconds_of(lambda: download(url, folder / "whole", size=size))
    return {
        "size": size,
        "sent": sent,
        "redirected": redirected,
        "requests": requests,
        "seconds": seconds,
        "whole": whole,
    }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
