"""Pickles: what honest trainers wrote comes out whole; what hostile ones wrote runs and leaves nothing."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import time
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from inference import confined
from inference.confined import Limits, run_confined
from inference.conversion import convert_file
from inference.converter_errors import (
    ConverterError,
    NothingToConvert,
    NotInstalled,
    OutOfMemory,
    OutputTooLarge,
    PickleDamaged,
    PickleRefused,
    PickleUnsupported,
    TimedOut,
)
from registry.weights import inspect_file
from registry.weights.errors import Unreadable
from tests.registry.weight_files import RunsCode, write_pickle

pytestmark = pytest.mark.engine

LIMITS = Limits(memory_mb=1024, seconds=120, file_mb=256)


def saved(path: Path, value: Any, *, legacy: bool = False) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    return path


def unpickled(source: Path, limits: Limits = LIMITS) -> tuple[dict[str, torch.Tensor], list[str]]:
    output = source.with_suffix(".safetensors")
    done = convert_file(source, output, limits=limits)
    assert done.steps[0] == "unpickled"
    return load_file(output), done.notes


def lora() -> dict[str, torch.Tensor]:
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    return {
        f"{name}.lora_down.weight": torch.randn(4, 768, dtype=torch.float16),
        f"{name}.lora_up.weight": torch.randn(320, 4, dtype=torch.bfloat16),
        f"{name}.alpha": torch.tensor(4.0),
    }


@pytest.mark.parametrize(("suffix", "legacy"), [(".pt", False), (".ckpt", True)])
def test_a_lora_comes_out_with_every_bit(tmp_path: Path, suffix: str, legacy: bool) -> None:
    truth = lora()
    got, notes = unpickled(saved(tmp_path / f"x{suffix}", truth, legacy=legacy))
    assert got.keys() == truth.keys()
    assert all(torch.equal(got[name], truth[name]) and got[name].dtype == truth[name].dtype for name in truth)
    assert notes == []
    assert inspect_file(tmp_path / "x.safetensors").family == "sd1"


def test_what_only_training_needs_is_left_out_and_told(tmp_path: Path) -> None:
    value = {"state_dict": OrderedDict(lora()), "epoch": 3, "optimizer_states": [{"m": torch.zeros(2)}]}
    got, notes = unpickled(saved(tmp_path / "x.ckpt", value))
    assert got.keys() == lora().keys()
    assert notes == ["Not tensors, so left out: epoch, optimizer_states."]


def test_shared_and_strided_tensors_get_numbers_of_their_own(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    got, notes = unpickled(saved(tmp_path / "x.pt", {"a": base, "b": base.T, "c": base[1:, ::2]}))
    assert torch.equal(got["b"], base.T) and torch.equal(got["c"], base[1:, ::2])
    assert "2 tensors shared" in notes[0]


def test_nan_is_kept_and_told(tmp_path: Path) -> None:
    got, notes = unpickled(saved(tmp_path / "x.pt", {"a": torch.tensor([1.0, float("nan")])}))
    assert got["a"].isnan().tolist() == [False, True]
    assert notes == ["NaN or infinity was kept in: a."]


def test_an_embedding_keeps_its_vectors_and_its_name(tmp_path: Path) -> None:
    vectors = torch.nn.Parameter(torch.randn(2, 768))
    value = {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "ink", "step": 900}
    got, _ = unpickled(saved(tmp_path / "ink.pt", value))
    assert torch.equal(got["emb_params"], vectors)
    with safe_open(tmp_path / "ink.safetensors", "np") as file:
        assert file.metadata() == {"name": "ink", "step": "900"}
    assert inspect_file(tmp_path / "ink.safetensors").kind == "embedding"


@pytest.mark.parametrize("layers", [8, 9])
def test_a_pti_list_becomes_the_numbered_layers_that_readers_know(tmp_path: Path, layers: int) -> None:
    """cloneofsimo's lora_weight.pt: up, down, up, down ... in module order; GEGLU is the fifth of nine."""
    sizes = [(320, 320)] * 4 + [(2560, 320)] * (layers - 8) + [(320, 320), (320, 768), (320, 768), (320, 320)]
    pairs = [(torch.randn(out, 4), torch.randn(4, into)) for _ in range(16) for out, into in sizes]
    items = [tensor for pair in pairs for tensor in pair]
    got, _ = unpickled(saved(tmp_path / "lora_weight.pt", items))
    assert len(got) == 16 * layers * 2
    assert torch.equal(got["unet:9:up"], items[2 * layers])
    # attn2.to_k takes the text in, wherever GEGLU is counted or not.
    assert {tuple(got[f"unet:{9 * block + 6}:down"].shape) for block in range(16)} == {(4, 768)}
    assert inspect_file(tmp_path / "lora_weight.safetensors").dialect == "cloneofsimo"


def test_names_that_no_program_loads_are_repaired_on_the_way(tmp_path: Path) -> None:
    path = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    value = {
        f"base_model.model.{path}.lora_A.weight": torch.randn(4, 768),
        f"base_model.model.{path}.lora_B.weight": torch.randn(320, 4),
    }
    done = convert_file(saved(tmp_path / "x.bin", value), tmp_path / "out.safetensors", limits=LIMITS)
    assert done.steps == ["unpickled", "repaired"]
    assert inspect_file(tmp_path / "out.safetensors").dialect == "kohya"


# --- Hostile ------------------------------------------------------------------------------------------------


def zipped(path: Path, entries: dict[str, bytes]) -> Path:
    """A torch archive written by someone else: compressed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(f"archive/{name}", data)
    return path


def bomb(path: Path) -> Path:
    """A gigabyte of zeros in one megabyte."""
    source = io.BytesIO()
    torch.save({"x": torch.zeros(4)}, source)
    whole = zipfile.ZipFile(source)
    entries = {name.partition("/")[2]: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            if name != "data/0":
                archive.writestr(f"archive/{name}", data)
        with archive.open("archive/data/0", "w", force_zip64=True) as big:
            for _ in range(1100):
                big.write(bytes(1 << 20))
    return path


def riddle(path: Path) -> Path:
    """Each list holds the one before twice: 2 to the 24 leaves, and the file has a few hundred bytes."""
    node: Any = [torch.zeros(1)]
    for _ in range(24):
        node = [node, node]
    return saved(path, node)


def cut(path: Path, *, legacy: bool) -> Path:
    saved(path, lora(), legacy=legacy)
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def tar(path: Path) -> Path:
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


class _Reads:
    """Unpickling this would open a file and hand it over."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("/etc/hostname",))


HOSTILE: dict[str, tuple[Any, type[ConverterError]]] = {
    "a plain pickle that runs code": (lambda p: write_pickle(p, p.with_name("witness")), PickleRefused),
    "an archive that runs code": (
        lambda p: saved(p, {"x": torch.zeros(1), "y": RunsCode(p.with_name("witness"))}), PickleRefused
    ),
    "an old file that runs code": (
        lambda p: saved(p, {"y": RunsCode(p.with_name("witness"))}, legacy=True), PickleRefused
    ),
    "an archive that reads files": (lambda p: saved(p, {"y": _Reads()}), PickleRefused),
    "a whole model": (lambda p: saved(p, torch.nn.Linear(2, 2)), PickleRefused),
    "numpy arrays": (lambda p: saved(p, {"x": np.zeros(3)}), PickleRefused),
    "a compression bomb": (bomb, OutOfMemory),
    "one number declared as a trillion": (
        lambda p: saved(p, {"x": torch.zeros(1).expand(10**6, 10**6)}), OutputTooLarge
    ),
    "a thousand views of one number": (
        lambda p: saved(p, {f"{n}": torch.zeros(1).expand(10**6) for n in range(1000)}), OutputTooLarge
    ),
    "lists within lists": (riddle, PickleUnsupported),
    "the tar of old torch": (tar, PickleUnsupported),
    "a truncated archive": (lambda p: cut(p, legacy=False), PickleDamaged),
    "a truncated old file": (lambda p: cut(p, legacy=True), PickleDamaged),
    "compressed by someone else, damaged": (lambda p: zipped(p, {"data.pkl": b"\x80\x02."}), PickleDamaged),
    "no tensor at all": (lambda p: saved(p, {"epoch": 3, "text": "x"}), NothingToConvert),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_one_error_and_leaves_nothing(tmp_path: Path, what: str) -> None:
    make, error = HOSTILE[what]
    source = make(tmp_path / "x.ckpt")
    before = sorted(tmp_path.iterdir())
    digest = source.read_bytes()[:4096]
    with pytest.raises(error) as caught:
        unpickled(source)
    assert type(caught.value) is error
    assert sorted(tmp_path.iterdir()) == before
    assert source.read_bytes()[:4096] == digest


def test_what_is_refused_is_named(tmp_path: Path) -> None:
    source = saved(tmp_path / "x.pt", {"y": RunsCode(tmp_path / "witness")})
    with pytest.raises(PickleRefused, match="getattr"):
        unpickled(source)
    with pytest.raises(PickleRefused, match="Linear"):
        unpickled(saved(tmp_path / "m.pt", torch.nn.Linear(2, 2)))


def test_memory_ends_at_the_limit(tmp_path: Path) -> None:
    # An old file is read, not mapped: 320 MB do not fit in 300.
    source = saved(tmp_path / "x.pt", {"x": torch.zeros(80_000_000)}, legacy=True)
    with pytest.raises(OutOfMemory):
        unpickled(source, Limits(memory_mb=300, seconds=120, file_mb=2048))


def test_a_large_archive_is_mapped_and_needs_no_memory(tmp_path: Path) -> None:
    source = saved(tmp_path / "x.pt", {f"{n}": torch.full((16_000_000,), float(n)) for n in range(6)})
    got, _ = unpickled(source, Limits(memory_mb=300, seconds=120, file_mb=2048))
    assert [float(got[f"{n}"][-1]) for n in range(6)] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        convert_file(tmp_path / "none.pt", tmp_path / "out.safetensors")


def test_without_torch_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "torch.py").write_text("raise ImportError('no torch here')")
    monkeypatch.setattr(confined, "SEARCH_PATH", (fake, *confined.SEARCH_PATH))
    with pytest.raises(NotInstalled, match="not installed"):
        unpickled(saved(tmp_path / "x.pt", lora()))


# --- The process itself -------------------------------------------------------------------------------------


def probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, limits: Limits = LIMITS
) -> dict[str, Any]:
    """Run `body` (the inside of `work(order)`) locked in, as the engine's modules are."""
    (tmp_path / "probe.py").write_text(
        "import os, resource, socket, sys, time\n"
        "from inference.engine.confinement import run\n"
        f"def work(order):\n    {body}\n"
        "sys.exit(run(work))\n"
    )
    monkeypatch.setattr(confined, "SEARCH_PATH", (tmp_path, *confined.SEARCH_PATH))
    return run_confined("probe", {}, folder=tmp_path, limits=limits)


def test_it_sees_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "secret")
    seen = probe(tmp_path, monkeypatch, "return dict(os.environ)")
    assert "secret" not in seen.values()
    assert (seen["HOME"], seen["TMPDIR"]) == (str(tmp_path), str(tmp_path))


def test_it_has_the_limits_and_cannot_lift_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = probe(
        tmp_path,
        monkeypatch,
        "return {n: resource.getrlimit(getattr(resource, n)) for n in "
        "('RLIMIT_DATA', 'RLIMIT_CPU', 'RLIMIT_FSIZE', 'RLIMIT_NOFILE', 'RLIMIT_CORE')}",
    )
    assert seen == {
        "RLIMIT_DATA": [1024 << 20] * 2,
        "RLIMIT_CPU": [120] * 2,
        "RLIMIT_FSIZE": [256 << 20] * 2,
        "RLIMIT_NOFILE": [128] * 2,
        "RLIMIT_CORE": [0, 0],
    }


def test_time_ends_at_the_limit_and_no_process_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(TimedOut):
        probe(tmp_path, monkeypatch, body, Limits(memory_mb=512, seconds=1, file_mb=1))
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_a_busy_loop_ends_by_its_processor_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TimedOut):
        probe(tmp_path, monkeypatch, "while True: pass", Limits(memory_mb=512, seconds=2, file_mb=1))


def test_a_crash_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConverterError) as caught:
        probe(tmp_path, monkeypatch, "os.abort()")
    assert caught.value.code == "converter_crashed"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may surely make a network of its own")
def test_it_has_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = probe(tmp_path, monkeypatch, "return {'there': [n for _, n in socket.if_nameindex()]}")
    assert seen == {"there": ["lo"]}


def test_a_pickle_of_the_web_process_is_not_ours_to_read() -> None:
    # The converting module names the only function that ever reads a pickle, and how.
    source = (Path(confined.__file__).parent / "engine" / "unpickle.py").read_text()
    assert source.count("torch.load(") == 2 and "weights_only=False" not in source
    assert pickle.loads.__name__ + "(" not in source
