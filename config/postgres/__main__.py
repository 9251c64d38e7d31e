"""The embedded PostgreSQL by hand: python -m config.postgres start | stop | status | destroy."""

from __future__ import annotations

import os
import sys

from config.command_line import report
from config.postgres.configured import configured_cluster

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
USAGE = "usage: python -m config.postgres start | stop | status | destroy\n"


def main(arguments: list[str]) -> int:
    """Do what was asked with the cluster of the settings; 0 done, 1 not running, 2 wrong usage."""
    if len(arguments) != 1 or arguments[0] not in {"start", "stop", "status", "destroy"}:
        sys.stderr.write(USAGE)
        return 2
    cluster = configured_cluster()
    if cluster is None:
        sys.stdout.write("DATABASE_URL is set; there is no embedded database.\n")
        return 0
    match arguments[0]:
        case "start":
            cluster.start()
        case "stop":
            cluster.stop()
        case "destroy":
            cluster.destroy()
    running = cluster.is_running()
    sys.stdout.write(f"{'running' if running else 'stopped'}: {cluster.folder}\n")
    return 1 if arguments[0] == "status" and not running else 0


if __name__ == "__main__":
    sys.exit(report(lambda: main(sys.argv[1:])))
