"""`make demo`: fills the catalog, serves it, and shows how far its comparison sheets are, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

from django.conf import settings

from config.command_line import report
from config.env import env_int, env_str
from config.postgres.configured import configured_cluster
from registry.errors import KuraError

# For the processes to come up on a slow, busy machine.
PATIENCE = 60.0
LOG_LINES = 15


class ServeFailed(KuraError):
    """A process of the site ended while starting, or none answered."""

    code = "serve_failed"
    next_step = "The end of the log stands above. After mending the cause run `make demo` again."


def main() -> int:
    """Fill, serve, watch; 0 after Ctrl-C, else the exit code of what failed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # A process that is being ended must still end its children, also one started with Ctrl-C ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    cluster = configured_cluster()
    had_server = cluster is None or cluster.is_running()
    try:
        code = _manage("migrate", "--verbosity", "0") or _manage("demo")
        return code or _serve()
    except KeyboardInterrupt:
        return 0
    finally:
        if cluster and not had_server:
            cluster.stop()


def _serve() -> int:
    log = Path(settings.VAR_DIR) / "log" / "demo.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    host, port = env_str("BIND", "127.0.0.1"), env_int("PORT", 8000, minimum=1, maximum=65535)
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
    with log.open("w", encoding="utf-8") as file:
        # A session of its own: Ctrl-C reaches this process only, which then ends the others in order.
        serving = subprocess.Popen(
            [sys.executable, "-m", "config.serve"],
            cwd=settings.BASE_DIR,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_up(serving, address, log)
            _manage("demo", "--watch", "--address", address)
            return serving.wait()
        except KeyboardInterrupt:
            sys.stderr.write("\nStopping.\n")
            return 0
        finally:
            serving.terminate()
            # A second Ctrl-C must not cut this short and leave processes behind.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            serving.wait()


def _wait_until_up(serving: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Until the site answers. Raises ServeFailed when it ended or stays silent."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and serving.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    sys.stderr.write("".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[-LOG_LINES:]))
    raise ServeFailed(f"The catalog did not come up at {address}.")


def _manage(*arguments: str) -> int:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=settings.BASE_DIR, check=False
    ).returncode


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(report(main))
