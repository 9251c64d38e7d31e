"""Makes .venv and installs the requirements; needs nothing but Python's own library.

    python3 config/install.py [web | runtime | dev]

Says in one line what is wrong when Python is too old, the disk too full, or a package has no wheel for this
machine.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = {"web": "requirements-web.txt", "runtime": "requirements.txt", "dev": "requirements-dev.txt"}
LOWEST = (3, 11)
GB = 1_000_000_000


def main(arguments: list[str]) -> int:
    """Install one set of requirements; 0 when it is there, 1 with one line on stderr when it cannot be."""
    wanted = arguments[0] if arguments else "runtime"
    if wanted not in REQUIREMENTS:
        return _fail("wrong_usage", f"choose one of {', '.join(REQUIREMENTS)}, not {wanted!r}.", 2)
    if sys.version_info < LOWEST:
        return _fail(
            "python_too_old",
            f"Python {platform.python_version()} is older than 3.11. Install a newer one, or name it: "
            "make PYTHON=/path/to/python3.12",
        )
    venv = Path(os.environ.get("VENV", ROOT / ".venv"))
    index = os.environ.get("TORCH_INDEX", "")
    needed = disk_needed(wanted, cpu_torch=bool(index))
    free = shutil.disk_usage(ROOT).free
    if not (venv / "bin").exists() and free < needed:
        text = (
            f"{free / GB:.1f} GB are free, the installation takes up to {needed / GB:.0f} GB. Free some space"
        )
        if wanted != "web" and not index:
            text += ", or take the smaller CPU build of torch: see TORCH_INDEX in docs/operations.md"
        return _fail("disk_too_full", f"{text}.")
    python = venv / "bin" / "python"
    if not python.exists():
        sys.stderr.write(f"Making {venv} with Python {platform.python_version()}\n")
        made = subprocess.run([sys.executable, "-m", "venv", venv], check=False, stdout=sys.stderr)
        if made.returncode:
            shutil.rmtree(venv, ignore_errors=True)
            return _fail(
                "venv_failed", "Python's venv module is missing; on Debian: apt-get install python3-venv"
            )
    if index and wanted != "web":
        code = _pip(python, ["--index-url", index, "torch==" + _pinned_torch()])
        if code:
            return code
    return _pip(python, ["-r", str(ROOT / REQUIREMENTS[wanted])])


def disk_needed(wanted: str, *, cpu_torch: bool) -> int:
    """Bytes that the installation may take, downloads included."""
    if wanted == "web":
        return 1 * GB
    # On Linux the plain torch of PyPI is a CUDA build: about 3 GB to load and 6 GB on disk.
    cuda = platform.system() == "Linux" and not cpu_torch
    return (10 if cuda else 3) * GB


def explain(pip_says: str) -> tuple[str, str]:
    """The code and the line for a failed pip, from what pip said."""
    missing = re.search(r"No matching distribution found for (\S+)", pip_says)
    if missing:
        machine = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
        return "wheel_missing", (
            f"{missing[1]} has no wheel for {machine}, or the package index cannot be reached. "
            "Kura runs with Python 3.11 to 3.13 on Linux with glibc and on macOS."
        )
    if "No space left on device" in pip_says:
        return "disk_too_full", "the disk became full while installing."
    last = [line for line in pip_says.splitlines() if line.startswith("ERROR")]
    return "install_failed", (last or ["pip failed"])[-1].removeprefix("ERROR: ")


def _pip(python: Path, arguments: list[str]) -> int:
    # Wheels only: building torch or PostgreSQL from source would fail after an hour instead of at once.
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--only-binary=:all:", *arguments]
    log = python.parent.parent / "install.log"
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip,
        log.open("w", encoding="utf-8") as file,
    ):
        for line in pip.stdout or ():
            file.write(line)
            if line.lstrip().startswith(("Downloading", "Installing collected")):
                sys.stderr.write(line.strip()[:110] + "\n")
    if pip.returncode:
        code, text = explain(log.read_text(encoding="utf-8"))
        return _fail(code, f"{text} All that pip said: {log}")
    return 0


def _pinned_torch() -> str:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return next(line for line in text.splitlines() if line.startswith("torch==")).removeprefix("torch==")


def _fail(code: str, text: str, status: int = 1) -> int:
    sys.stderr.write(f"{code}: {text}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
