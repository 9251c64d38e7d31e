"""`manage.py statistics` and `manage.py compare`: promised output and exit codes, never a database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "demo" / "adapters"
EMBER, FROST = DEMO / "ember" / "ember.safetensors", DEMO / "frost" / "frost.safetensors"
OLD, NEW = (DEMO / "sketch" / f"pencil-sketch-v{n}.safetensors" for n in (1, 2))
TOYBOX = ROOT / "demo" / "toybox" / "unet" / "diffusion_pytorch_model.safetensors"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # Nothing listens there: any attempt to connect would fail the command.
    environment = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
    return subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_statistics_work_with_an_unreachable_database() -> None:
    done = run("statistics", EMBER, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (told,) = json.loads(done.stdout)
    assert (told["path"], told["error"], told["family"], told["base"]) == (
        str(EMBER),
        None,
        "toybox",
        "toybox",
    )
    assert told["strength"] > 0


def test_compare_works_with_an_unreachable_database() -> None:
    done = run("compare", EMBER, FROST, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert [entry["role"] for entry in told["weights"]] == ["style", "character"]
    assert 0 <= told["pairs"][0]["interference"] <= 1


def test_a_bad_file_is_one_line_and_exit_1_and_the_good_ones_are_told(tmp_path: Path) -> None:
    done = run("statistics", tmp_path / "none", EMBER, "--json")
    assert done.returncode == 1
    bad, good = json.loads(done.stdout)
    assert (bad["error"]["code"], good["error"]) == ("unreadable", None)
    assert done.stderr.startswith("unreadable:") and len(done.stderr.splitlines()) == 1


def test_files_of_two_families_cannot_be_stacked() -> None:
    done = run("compare", EMBER, DEMO / "wrong_base" / "studio-portrait.safetensors")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("different_families:")


def test_the_command_line_shows_blocks_and_presets_in_one_piece(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("statistics", str(EMBER))
    shown = capsys.readouterr().out
    assert "OUT04" in shown
    assert "lbw=1,1,1,1,1,1,1,1,0.3,0.3,0.3,1,1,1,1,1,1\n" in shown


def test_norms_of_a_base_can_be_kept_and_used_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("statistics", str(TOYBOX), "--norms")
    kept = tmp_path / "norms.json"
    kept.write_text(capsys.readouterr().out, encoding="utf-8")
    strengths = []
    for base in (kept, TOYBOX):
        call_command("statistics", str(EMBER), "--base", str(base), "--json", "--modules")
        (told,) = json.loads(capsys.readouterr().out)
        assert told["base"] == "given" and len(told["each"]) == told["modules"]
        strengths.append(told["strength"])
    assert strengths[0] == pytest.approx(strengths[1], rel=1e-4)


def test_versions_tell_weights_and_metadata(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("compare", str(OLD), str(NEW), "--versions", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["weights"]["added_count"] == 28
    assert told["metadata"]["changed"]["algorithm"] == {"old": "lora", "new": "locon"}
    call_command("compare", str(OLD), str(OLD), "--versions")
    assert "the same change" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[EMBER], [EMBER] * 4, [EMBER, FROST, OLD, "--versions"], [EMBER, FROST, "--roles", "style,hat"],
     [EMBER, FROST, "--roles", "style"]],
)  # fmt: skip
def test_wrong_use_is_exit_2(arguments: list[str | Path]) -> None:
    with pytest.raises(CommandError) as wrong:
        call_command("compare", *map(str, arguments))
    assert wrong.value.returncode == 2


def test_of_two_files_the_bad_one_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.touch()
    for arguments in (("compare", EMBER, bad), ("statistics", EMBER, "--base", bad)):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"empty_file: {bad}:") and len(done.stderr.splitlines()) == 1


def test_a_reader_that_goes_away_is_no_error() -> None:
    inspect = [sys.executable, "manage.py", "inspect", "--no-hash", "--json", str(EMBER)]
    with subprocess.Popen(inspect, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 141)


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    odd = tmp_path / "a\x1b[2Jb.safetensors"
    odd.write_bytes(EMBER.read_bytes())
    missing = tmp_path / "c\x1b[2Jd.safetensors"
    for arguments in (
        ("statistics", odd),
        ("compare", odd, EMBER),
        ("inspect", odd),
        ("compare", odd, missing),
    ):
        done = run(*arguments)
        assert "\x1b" not in done.stdout + done.stderr
        assert "\ufffd[2J" in done.stdout + done.stderr
