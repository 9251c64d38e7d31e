"""Writing: what the official library reads back, and no file that is lost or half there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from registry.weights import read_header
from registry.weights.writer import (
    OutputExists,
    OutputUnwritable,
    TensorWriter,
    as_bfloat16,
    check_free,
    publish,
    workplace,
    write_renamed,
)

names = st.text(min_size=1, max_size=30).filter(lambda name: name != "__metadata__")
arrays = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64, np.int64, np.uint8]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(tensors=st.dictionaries(names, arrays, max_size=5), metadata=st.dictionaries(st.text(), st.text()))
def test_the_official_library_reads_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    tensors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
    metadata: dict[str, str],
) -> None:
    path = tmp_path_factory.mktemp("w") / "out.safetensors"
    with TensorWriter(path) as writer:
        for name, values in tensors.items():
            writer.add_array(name, values)
        writer.finish(metadata)
    read = load_file(path)
    assert read.keys() == tensors.keys()
    for name, values in tensors.items():
        assert read[name].dtype == values.dtype
        assert read[name].shape == values.shape
        assert read[name].tobytes() == values.tobytes()
    with safe_open(path, "np") as file:
        assert (file.metadata() or {}) == metadata
    assert read_header(path).data_start % 8 == 0
    assert list(path.parent.iterdir()) == [path]


def test_two_tensors_cannot_share_a_name_nor_bytes_belie_a_shape(tmp_path: Path) -> None:
    with TensorWriter(tmp_path / "x") as writer:
        writer.add("a", "F16", (2,), b"\0" * 4)
        with pytest.raises(ValueError, match="second"):
            writer.add("a", "F16", (2,), b"\0" * 4)
        with pytest.raises(ValueError, match="no F32 tensor"):
            writer.add("b", "F32", (2,), b"\0" * 4)


def test_renaming_keeps_the_data_section_byte_for_byte(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    save_file({"a": np.arange(6, dtype=np.float16), "b": np.ones((2, 3), np.float32)}, old, {"k": "v"})
    header = read_header(old)
    write_renamed(old, header, new, {"a": "z"}, header.metadata | {"note": "n"})
    assert new.read_bytes()[read_header(new).data_start :] == old.read_bytes()[header.data_start :]
    assert sorted(load_file(new)) == ["b", "z"]
    assert read_header(new).metadata == {"k": "v", "note": "n"}
    with pytest.raises(ValueError, match="one name"):
        write_renamed(old, header, new, {"a": "b"}, {})


def test_a_name_that_is_no_text_is_written_as_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with TensorWriter(path) as writer:
        writer.add("日本<語>", "U8", (1,), b"\1")
        writer.finish({})
    assert list(load_file(path)) == ["日本<語>"]


def test_nothing_is_ever_written_over_unless_told_to(tmp_path: Path) -> None:
    final = tmp_path / "out"
    final.write_text("mine")
    with workplace(final) as folder:
        (folder / "new").write_text("theirs")
        with pytest.raises(OutputExists):
            check_free(final, overwrite=False)
        with pytest.raises(OutputExists):
            publish(folder / "new", final, overwrite=False)
        assert final.read_text() == "mine"
        publish(folder / "new", final, overwrite=True)
    assert final.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [final]


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable):
        check_free(tmp_path / "none" / "out", overwrite=False)
    with pytest.raises(OutputUnwritable):
        check_free(tmp_path, overwrite=True)
    with pytest.raises(OutputUnwritable, match="too long"):
        check_free(tmp_path / ("a" * 300), overwrite=False)


@pytest.mark.engine
@given(values=hnp.arrays(np.float32, 8, elements=st.floats(width=32)))
def test_bfloat16_is_rounded_as_torch_rounds(values: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    import torch

    ours = np.frombuffer(as_bfloat16(values), np.int16)
    theirs = torch.from_numpy(values.copy()).to(torch.bfloat16)
    read = torch.from_numpy(ours.copy()).view(torch.bfloat16)
    assert torch.equal(torch.nan_to_num(read, nan=7.0), torch.nan_to_num(theirs, nan=7.0))
