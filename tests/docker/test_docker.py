"""The images and the compose file, as far as they can be proved without an engine."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

ROOT: Path = settings.BASE_DIR
DOCKERFILE = ROOT / "docker" / "Dockerfile"
TEXT = DOCKERFILE.read_text()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    return parsed


def test_the_dockerfile_has_no_lint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    answer = subprocess.run(
        [hadolint, "--failure-threshold", "info", DOCKERFILE], capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_file_that_the_dockerfile_copies_is_let_through_to_the_build() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = [rule[1:].rstrip("/") for rule in rules if rule.startswith("!")]
    assert "*" in rules
    for pattern in let_through:
        if pattern != "locale":
            assert list(ROOT.glob(pattern)), f"{pattern} does not exist"
    needed = {
        "manage.py",
        "config",
        "registry",
        "inference",
        "catalog",
        "templates",
        "static",
        "constraints.txt",
    }
    assert needed <= set(let_through)


def test_both_images_end_as_an_ordinary_user() -> None:
    for target in ("web", "worker"):
        stage = re.split(r"^FROM ", TEXT, flags=re.MULTILINE)
        last = next(part for part in stage if part.splitlines()[0].endswith(f" AS {target}"))
        users = re.findall(r"^USER (\S+)", last, re.MULTILINE)
        assert users and int(users[-1]) > 0


def test_the_web_image_takes_no_torch() -> None:
    web = (ROOT / "requirements-web.txt").read_text()
    assert not re.search(r"^(torch|diffusers|transformers|accelerate)\b", web, re.MULTILINE)
    assert "torchvision" not in re.sub(r"#.*", "", web + (ROOT / "requirements.txt").read_text())


def test_the_services_use_the_targets_of_the_dockerfile(compose: dict[str, Any]) -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", TEXT, re.MULTILINE))
    targets = {
        name: service["build"]["target"]
        for name, service in compose["services"].items()
        if "build" in service
    }
    assert set(targets.values()) <= stages
    assert targets["gpu"] == "worker"
    assert {"postgres", "redis", "web", "worker", "gpu"} <= set(compose["services"])
    for service in compose["services"].values():
        if "build" in service:
            assert (ROOT / "docker" / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_every_process_of_the_procfile_is_a_service(compose: dict[str, Any]) -> None:
    lines = (ROOT / "Procfile").read_text().splitlines()
    assert {line.partition(":")[0] for line in lines} <= set(compose["services"])


def test_services_wait_for_the_migrated_database(compose: dict[str, Any]) -> None:
    for name in ("web", "worker", "reaper", "indexer", "gpu"):
        waits = compose["services"][name]["depends_on"]
        assert waits["migrate"]["condition"] == "service_completed_successfully"


def test_no_password_has_a_default(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker" / "compose.yaml").read_text()
    for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY"):
        uses = re.findall(rf"\$\{{{name}([^}}]*)\}}", text)
        assert uses and all(use.startswith(":?") for use in uses)


def test_every_python_command_exists(compose: dict[str, Any]) -> None:
    known = {path.stem for path in ROOT.glob("*/management/commands/*.py")} | {"migrate"}
    commands = [service["command"] for service in compose["services"].values() if "command" in service]
    commands += [
        shlex.split(line.partition("exec ")[2]) for line in (ROOT / "Procfile").read_text().splitlines()
    ]
    asked = {command[2] for command in commands if command[:2] == ["python", "manage.py"]}
    assert asked and asked <= known
