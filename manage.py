#!/usr/bin/env python
"""Command line of Kura: `manage.py help` lists the commands."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run one command; an expected failure is one line on stderr, never a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError:
        sys.stderr.write("not_installed: Django is missing. Run `make setup`, then use .venv/bin/python.\n")
        return 1
    from config.command_line import report

    return report(lambda: execute_from_command_line(sys.argv))


if __name__ == "__main__":
    sys.exit(main())
