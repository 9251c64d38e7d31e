"""Setting up: clear words when it cannot be done."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings

from config import install

ROOT: Path = settings.BASE_DIR


def test_an_old_python_is_told_which_one_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "LOWEST", (99, 0))
    assert install.main(["runtime"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("python_too_old: ") and "make PYTHON=" in said


def test_a_full_disk_is_noticed_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("VENV", str(tmp_path / "venv"))
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    monkeypatch.setattr(install.shutil, "disk_usage", lambda path: SimpleNamespace(free=5 * 10**8))
    assert install.main(["runtime"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("disk_too_full: 0.5 GB are free") and "TORCH_INDEX" in said
    assert not (tmp_path / "venv").exists()


def test_the_cpu_build_and_the_web_part_need_less_disk() -> None:
    full = install.disk_needed("runtime", cpu_torch=False)
    small = install.disk_needed("runtime", cpu_torch=True)
    assert install.disk_needed("web", cpu_torch=False) < small <= full


@pytest.mark.parametrize(
    ("said", "code", "text"),
    [
        (
            "ERROR: No matching distribution found for torch==2.13.0\n",
            "wheel_missing",
            "torch==2.13.0 has no wheel for",
        ),
        (
            "ERROR: Could not install: [Errno 28] No space left on device\n",
            "disk_too_full",
            "disk became full",
        ),
        ("x\nERROR: something else\n", "install_failed", "something else"),
        ("", "install_failed", "pip failed"),
    ],
)
def test_a_failure_of_pip_is_explained(said: str, code: str, text: str) -> None:
    found = install.explain(said)
    assert found[0] == code and text in found[1]


def test_an_unknown_set_of_requirements_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert install.main(["everything"]) == 2
    assert "web, runtime, dev" in capsys.readouterr().err


def test_the_installer_runs_without_any_package(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", ROOT / "config" / "install.py", "everything"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 2, answer.stderr


def test_everything_that_is_installed_is_pinned() -> None:
    lines = [
        line
        for name in ("requirements-web.txt", "requirements.txt", "requirements-dev.txt", "constraints.txt")
        for line in (ROOT / name).read_text().splitlines()
        if line and not line.startswith(("#", "-"))
    ]
    loose = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[0-9][^ ]*", line)]
    assert loose == []


def test_the_constraints_and_the_requirements_agree() -> None:
    def pins(name: str) -> dict[str, str]:
        found = re.findall(
            r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", (ROOT / name).read_text(), re.MULTILINE
        )
        return {package.lower().replace("_", "-").replace(".", "-"): version for package, version in found}

    constraints = pins("constraints.txt")
    for name in ("requirements-web.txt", "requirements.txt", "requirements-dev.txt"):
        wrong = {p: v for p, v in pins(name).items() if p in constraints and constraints[p] != v}
        assert wrong == {}
