"""An adapter file opened for its numbers: header, modules and family, checked to be whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .changes import LoadedModule, load_modules
from .container import read_header
from .errors import NoModules
from .header import Header
from .inspection import inspect_file
from .modules import ModuleFacts, group_modules
from .tensors import TensorFile


@dataclass(frozen=True, slots=True)
class OpenAdapter:
    """One adapter. `family` is the one that its bytes decide, else `unknown` with `candidates`."""

    name: str
    header: Header
    modules: list[ModuleFacts]
    family: str
    candidates: list[str]
    file: TensorFile

    def load(self, modules: Iterable[ModuleFacts] | None = None) -> Iterator[LoadedModule]:
        """Modules with their tensors, one at a time; all of them by default."""
        return load_modules(self.file, self.modules if modules is None else modules)


@contextmanager
def open_adapter(path: str | os.PathLike[str]) -> Iterator[OpenAdapter]:
    """Raises Unreadable, a ContainerError when the file is not whole and valid, NoModules."""
    header = read_header(path)
    if header.error is not None:
        raise header.error
    modules, _ = group_modules(header)
    if not modules:
        raise NoModules("The file holds no module of a known algorithm.")
    inspection = inspect_file(path, hashes=False)
    with TensorFile(path, header) as file:
        yield OpenAdapter(
            os.fspath(path), header, modules, inspection.family, inspection.family_candidates, file
        )
