"""The embedded cluster and every trap on the way to a running server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from config.postgres import binaries, cluster
from config.postgres.account import server_account
from config.postgres.cluster import Cluster, embedded_cluster
from config.postgres.errors import (
    PostgresFolderUnusable,
    PostgresStartFailed,
)
from config.postgres.postmaster import server_pid

pytestmark = pytest.mark.database

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the user of the server")
Make = Callable[..., Cluster]


@pytest.fixture
def open_folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder that every user may enter; pytest's own is private to the user that runs the tests."""
    folder = settings.TEST_RUN_DIR / f"cluster-{os.getpid()}-{abs(hash(request.node.nodeid)) % 10**6}"
    folder.mkdir()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A data folder that was made once; a copy of it starts in a fraction of the time."""
    one = embedded_cluster(
        settings.TEST_RUN_DIR / f"template-{os.getpid()}", settings.POSTGRES_BIN, durable=False
    )
    one.start()
    one.stop()
    yield one.data
    one.destroy()


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, open_folder: Path, template: Path) -> Iterator[Make]:
    """Clusters that are gone at the end of the test."""
    made: list[Cluster] = []
    monkeypatch.setattr(cluster, "SHELF", open_folder / "shelf")

    def make_one(folder: Path, *, new: bool = False) -> Cluster:
        one = embedded_cluster(folder, settings.POSTGRES_BIN, durable=False)
        if not new and not one.data.exists():
            one.folder.mkdir(parents=True)
            subprocess.run(["cp", "-a", template, one.data], check=True)
        made.append(one)
        return one

    yield make_one
    for one in made:
        one.destroy()


def _ask(one: Cluster, question: str) -> object:
    with psycopg.connect(one.conninfo("postgres")) as connection:
        answer = connection.execute(question.encode())
        row = answer.fetchone() if answer.description else None
    return row and row[0]


def _kill(one: Cluster) -> int:
    pid = server_pid(one.data)
    assert pid
    os.kill(pid, signal.SIGKILL)
    return pid


# --- The ordinary way ---------------------------------------------------------------------------------------


def test_a_cluster_starts_answers_and_stops(make: Make, open_folder: Path) -> None:
    one = make(open_folder / "pg", new=True)
    assert not one.is_running()
    one.start()
    assert _ask(one, "SELECT lower('ÀÉ Ω Ж')") == "àé ω ж"
    assert one.stop()
    assert not one.is_running()
    assert not one.stop()


def test_starting_a_running_server_changes_nothing(make: Make, open_folder: Path) -> None:
    one = make(open_folder / "pg")
    one.start()
    first = server_pid(one.data)
    one.start()
    assert server_pid(one.data) == first


def test_data_survives_a_stop(make: Make, open_folder: Path) -> None:
    one = make(open_folder / "pg")
    one.start()
    _ask(one, "CREATE TABLE kept (n int)")
    _ask(one, "INSERT INTO kept VALUES (42)")
    one.stop()
    one.start()
    assert _ask(one, "SELECT n FROM kept") == 42


def test_the_server_listens_on_no_network_address(make: Make, open_folder: Path) -> None:
    one = make(open_folder / "pg")
    one.start()
    assert _ask(one, "SHOW listen_addresses") == ""
    assert one.socket.stat().st_mode & 0o777 == 0o700


def test_a_durable_cluster_waits_for_the_disk(make: Make, open_folder: Path) -> None:
    one = replace(make(open_folder / "pg"), durable=True)
    one.start()
    assert _ask(one, "SHOW fsync") == "on"


def test_processes_that_start_together_get_one_server(open_folder: Path) -> None:
    environment = os.environ | {"VAR_DIR": str(open_folder), "DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-m", "config.postgres"]
    # The pipe also shows that the server does not hold the caller's output open.
    started = [
        subprocess.Popen(
            [*command, "start"],
            env=environment,
            cwd=settings.BASE_DIR,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    try:
        said = [process.communicate(timeout=60)[0] for process in started]
        assert [process.returncode for process in started] == [0, 0, 0], said
        assert (open_folder / "postgres" / "log").read_text().count("starting PostgreSQL") <= 1
    finally:
        ended = subprocess.run(
            [*command, "destroy"], env=environment, cwd=settings.BASE_DIR, capture_output=True
        )
    assert ended.returncode == 0


# --- After a crash ------------------------------------------------------------------------------------------


def test_a_killed_server_is_started_again_with_its_data(make: Make, open_folder: Path) -> None:
    one = replace(make(open_folder / "pg"), durable=True)
    one.start()
    _ask(one, "CREATE TABLE kept (n int)")
    _ask(one, "INSERT INTO kept VALUES (42)")
    _kill(one)
    one.start()
    assert _ask(one, "SELECT n FROM kept") == 42


def test_a_killed_server_that_nobody_reaps_is_taken_for_dead(make: Make, open_folder: Path) -> None:
    one = make(open_folder / "pg")
    one.start()
    one.stop()
    programs = binaries.find_programs(settings.POSTGRES_BIN)
    # As a child of this process it stays a zombie, as it would under a PID 1 that never reaps.
    identity = one.account._identity()
    server = subprocess.Popen(
        [programs.bin / "postgres", "-D", one.data],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **identity,
    )
    try:
        while not (one.data / "postmaster.pid").exists() or server_pid(one.data) != server.pid:
            assert server.poll() is None
        server.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        assert not one.is_running()
        one.start()
        assert _ask(one, "SELECT 1") == 1
    finally:
        server.wait(10)


def test_a_number_that_now_belongs_to_another_program_does_not_block_the_start(
    make: Make, open_folder: Path
) -> None:
    one = make(open_folder / "pg")
    one.start()
    _kill(one)
    path = one.data / "postmaster.pid"
    path.write_text(f"{os.getpid()}\n" + path.read_text().partition("\n")[2])
    assert not one.is_running()
    one.start()
    assert _ask(one, "SELECT 1") == 1


def test_an_empty_pid_file_does_not_block_the_start(make: Make, open_folder: Path) -> None:
    one = make(open_folder / "pg")
    one.start()
    one.stop()
    (one.data / "postmaster.pid").touch()
    one.start()
    assert _ask(one, "SELECT 1") == 1


def test_an_interrupted_making_is_made_anew(make: Make, open_folder: Path) -> None:
    one = make(open_folder / "pg", new=True)
    (one.folder / "data.new").mkdir(parents=True)
    (one.folder / "data.new" / "half").touch()
    one.start()
    assert _ask(one, "SELECT 1") == 1


def test_a_server_that_cannot_start_tells_why_and_where_to_read(
    make: Make, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.0)
    one = make(open_folder / "pg")
    one.start()
    one.stop()
    with (one.data / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(PostgresStartFailed, match="no_such_setting") as caught:
        one.start()
    assert str(one.log) in str(caught.value)


# --- Where it may live --------------------------------------------------------------------------------------


def test_a_folder_with_blanks_quotes_and_commas_works(make: Make, open_folder: Path) -> None:
    one = make(open_folder / "my 'own', pg", new=True)
    one.start()
    assert _ask(one, "SELECT 1") == 1


def test_a_long_path_gets_a_short_socket(make: Make, open_folder: Path) -> None:
    one = make(open_folder / ("long" * 25) / "pg")
    assert len(str(one.socket / ".s.PGSQL.5432")) <= 103
    one.start()
    assert _ask(one, "SELECT 1") == 1


def test_a_socket_folder_prepared_by_somebody_else_is_refused(make: Make, open_folder: Path) -> None:
    one = make(open_folder / "pg")
    (open_folder / "trap").mkdir()
    with pytest.raises(PostgresFolderUnusable, match="belongs to another user"):
        replace(one, socket=_owned_by_another(open_folder / "trap")).start()


def _owned_by_another(folder: Path) -> Path:
    if os.geteuid() == 0:
        os.chown(folder, 12345, 12345)
        return folder
    link = folder / "link"
    link.symlink_to("/")
    return link


def test_settings_of_the_callers_shell_do_not_reach_the_server(
    make: Make, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGDATA": "/nowhere", "PGPORT": "1", "PGOPTIONS": "-c nonsense=1"}.items():
        monkeypatch.setenv(name, value)
    one = make(open_folder / "pg")
    one.start()
    monkeypatch.delenv("PGOPTIONS")
    assert _ask(one, "SHOW port") == "5432"


@root_only
def test_as_root_the_server_runs_as_nobody(make: Make, open_folder: Path) -> None:
    one = make(open_folder / "pg")
    one.start()
    pid = server_pid(one.data)
    assert Path(f"/proc/{pid}").stat().st_uid == server_account().uid != 0


@root_only
def test_as_root_a_private_folder_sends_the_data_to_one_that_nobody_can_reach(
    make: Make, open_folder: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    before = tmp_path.stat().st_mode
    one = make(tmp_path / "pg", new=True)
    assert one.folder.is_relative_to(open_folder / "shelf")
    one.start()
    assert _ask(one, "SELECT 1") == 1
    assert tmp_path.stat().st_mode == before, "no permission outside was changed"
    assert make(tmp_path / "pg").folder == one.folder, "the same folder finds its data again"


@root_only
def test_as_root_with_programs_in_a_private_home_a_copy_is_used(
    make: Make, open_folder: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    programs = binaries.find_programs("").bin.parent
    package = programs.parent
    for part in (programs, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, home / part.relative_to(package.parent), symlinks=True)
    home.chmod(0o700)
    copied = home / programs.relative_to(package.parent) / "bin"
    one = replace(make(open_folder / "pg", new=True), bin_setting=str(copied))
    one.start()
    assert _ask(one, "SELECT 1") == 1
    program = Path(f"/proc/{server_pid(one.data)}/exe").readlink()
    assert program.is_relative_to(open_folder / "shelf")
    assert home.stat().st_mode & 0o777 == 0o700
    one.stop()


@root_only
def test_from_a_working_folder_that_nobody_may_enter_it_starts(
    make: Make, open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    one = make(open_folder / "pg")
    one.start()
    assert _ask(one, "SELECT 1") == 1


@root_only
def test_an_ordinary_user_runs_the_server_as_itself(open_folder: Path) -> None:
    nobody = server_account()
    os.chown(open_folder, nobody.uid, nobody.gid)
    code = (
        "import os, sys, psycopg\n"
        "from pathlib import Path\n"
        "from config.postgres.cluster import embedded_cluster\n"
        f"os.setgroups([]); os.setgid({nobody.gid}); os.setuid({nobody.uid})\n"
        "one = embedded_cluster(Path(sys.argv[1]), sys.argv[2], durable=False)\n"
        "assert not one.account.switch\n"
        "one.start()\n"
        "with psycopg.connect(dbname='postgres', **one.address) as connection:\n"
        "    print(connection.execute('SELECT 42').fetchone()[0])\n"
        "one.destroy()\n"
    )
    command = [sys.executable, "-c", code, str(open_folder / "pg"), settings.POSTGRES_BIN]
    answer = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=60)
    assert answer.stdout.strip() == "42", answer.stderr


def test_data_of_another_release_is_not_touched(make: Make, open_folder: Path) -> None:
    one = make(open_folder / "pg")
    one.start()
    one.stop()
    (one.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresFolderUnusable, match="is of PostgreSQL 9"):
        one.start()
