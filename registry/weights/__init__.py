"""From the bytes of an adapter file to facts about it: pure Python and numpy, no torch, no Django.

What needs numpy is imported from its own module (`loading`, `tensors`, ...): reading facts does without.
"""

from .container import Container, open_container, read_container, read_header
from .digests import Digester, Digests, digest_file
from .errors import ContainerError, IncompleteModule, UnmatchedKeys, Unreadable, WeightsError
from .header import Header, TensorInfo
from .inspection import Inspection, inspect_file, inspect_header
from .modules import ModuleFacts, iter_modules

__all__ = [
    "Container",
    "ContainerError",
    "Digester",
    "Digests",
    "Header",
    "IncompleteModule",
    "Inspection",
    "ModuleFacts",
    "TensorInfo",
    "UnmatchedKeys",
    "Unreadable",
    "WeightsError",
    "digest_file",
    "inspect_file",
    "inspect_header",
    "iter_modules",
    "open_container",
    "read_container",
    "read_header",
]
