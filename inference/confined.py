"""Starts a module of the engine in a process of its own, with limits and nothing to steal, and hears its
answer.

The process gets no variable of ours (so no credentials), a folder of its own as home, and one order on
standard input; it locks itself in (`inference.engine.confinement`) before it opens a foreign file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from inference.converter_errors import (
    CheckpointsDiffer,
    ConverterCrashed,
    NotACheckpoint,
    NotConvertible,
    NothingToConvert,
    NothingToExtract,
    NotInstalled,
    OutOfMemory,
    OutputTooLarge,
    PickleDamaged,
    PickleRefused,
    PickleUnsupported,
    TimedOut,
)
from registry.terminal import one_line

# Where the process finds our packages. It sees nothing else of the environment.
SEARCH_PATH: tuple[Path, ...] = (settings.BASE_DIR,)
# An answer longer than this is none of ours.
_LONGEST_LINE = 16 << 20
_KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "SYSTEMROOT")

Progress = Callable[[int, int], None]


_BY_CODE = {
    cls.code: cls
    for cls in (
        PickleRefused, PickleDamaged, PickleUnsupported, NothingToConvert, OutOfMemory, OutputTooLarge,
        NotInstalled, NotACheckpoint, CheckpointsDiffer, NothingToExtract, NotConvertible,
    )
}  # fmt: skip
_BY_SIGNAL = {signal.SIGXCPU: TimedOut, signal.SIGKILL: OutOfMemory, signal.SIGXFSZ: OutputTooLarge}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process may use: MiB of private memory, seconds, MiB of one written file, threads."""

    memory_mb: int
    seconds: int
    file_mb: int
    threads: int = 1

    @classmethod
    def from_settings(cls, *, threads: int = 1) -> Limits:
        """The limits that the site has set."""
        return cls(
            settings.CONVERTER_MEMORY_MB, settings.CONVERTER_SECONDS, settings.CONVERTER_FILE_MB, threads
        )


def run_confined(
    module: str,
    order: dict[str, Any],
    *,
    folder: Path,
    limits: Limits,
    mapped: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Let `module` of the engine do `order` in a process of its own and return its result.

    `folder` is the only place for its temporary files; `mapped` bytes of input may be mapped beside the
    memory limit. Raises the ConverterError that the module named, or TimedOut, OutOfMemory, OutputTooLarge,
    ConverterCrashed. No process is left, whatever happens.
    """
    with (
        (folder / "converter.log").open("wb+") as log,
        subprocess.Popen(
            # -P: the working folder is not a place to import from.
            [sys.executable, "-P", "-W", "ignore", "-m", module],
            cwd=folder,
            env=_environment(folder, limits),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        heard = _Answer(process.stdout, progress)
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(_order(order, limits, mapped))
            with suppress(BrokenPipeError):
                process.stdin.close()
            code = process.wait(limits.seconds)
        except subprocess.TimeoutExpired:
            raise TimedOut(f"It was stopped after {limits.seconds} seconds.") from None
        finally:
            _end(process)
            heard.thread.join()
        return _outcome(heard.value, code, log)


def _order(order: dict[str, Any], limits: Limits, mapped: int) -> bytes:
    return json.dumps(order | {"limits": asdict(limits), "readable": mapped}).encode("ascii")


def _environment(folder: Path, limits: Limits) -> dict[str, str]:
    threads = str(limits.threads)
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "PYTHONPATH": os.pathsep.join(map(str, SEARCH_PATH)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        # No driver is asked: a graphics card's runtime maps more than any limit here.
        "CUDA_VISIBLE_DEVICES": "",
    }


class _Answer:
    """Reads the answers of one process as they come; `value` is the last that was not progress."""

    def __init__(self, stream: IO[bytes], progress: Progress | None) -> None:
        self.value: dict[str, Any] | None = None
        self._stream, self._progress = stream, progress
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        while line := self._stream.readline(_LONGEST_LINE):
            try:
                answer = json.loads(line)
            except ValueError:
                continue
            if "progress" not in answer:
                self.value = answer
            elif self._progress is not None:
                self._progress(*answer["progress"])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and all it started, if they still run."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _outcome(answer: dict[str, Any] | None, code: int, log: IO[bytes]) -> dict[str, Any]:
    if code == 0 and answer is not None and "result" in answer:
        result: dict[str, Any] = answer["result"]
        return result
    if answer is not None and "error" in answer:
        told = answer["error"]
        raise _BY_CODE.get(told["code"], ConverterCrashed)(told["message"])
    if code < 0 and (by_signal := _BY_SIGNAL.get(signal.Signals(-code))) is not None:
        raise by_signal(f"The process was ended by {signal.Signals(-code).name}.")
    log.seek(0)
    lines = log.read(1 << 20).decode("utf-8", "replace").strip().splitlines() or [f"exit code {code}"]
    last = one_line(lines[-1], 300)
    if "MemoryError" in last or "Cannot allocate memory" in last:
        raise OutOfMemory("The memory limit was reached before the file was read.")
    raise ConverterCrashed(f"The process died: {last}.")
