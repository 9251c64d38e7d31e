"""What triage costs: the header of a remote LoRA of 200 MB against all its bytes, over HTTP on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Row, at_most

ROOT = Path(__file__).parents[1]


def run() -> list[Row]:
    """A Hub server of the tests serves the file, directly and by way of another host; both count every byte.

    `share` and `share_redirected`: bytes of bodies that the servers sent for one triage, in percent of the
    file. `requests`: how many it took. `seconds`: of one triage; the download of the whole beside it, its
    digests included. All of it in a process of its own, which has settings and a folder of its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"VAR_DIR": f"{folder}/var", "DJANGO_SETTINGS_MODULE": "config.settings"}
        command = [sys.executable, "-m", "benchmarks.triage_child", folder]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout)
    size = told["size"]
    return [
        at_most("share", 100 * told["sent"] / size, "%", target=1),
        at_most("share_redirected", 100 * told["redirected"] / size, "%", target=1),
        at_most("requests", told["requests"], "requests", target=2),
        Row("seconds", told["seconds"], "s", told["whole"], told["seconds"] / told["whole"]),
    ]
