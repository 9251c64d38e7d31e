"""Which files of a repository on the Hub are weights of adapters, and which of them are one version.

The rule: one repository is one adapter. Files whose names differ only in what they were written for
(`-comfy`, `_fp16`, a folder `comfyui/`, `.bin` beside `.safetensors`) are one version; every other file is a
version of its own (training checkpoints, several styles in one repository). Identical files are one, whatever
their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

SAFE, PICKLE = "SafeTensor", "PickleTensor"
_FORMATS = {".safetensors": SAFE, ".bin": PICKLE, ".pt": PICKLE, ".pth": PICKLE, ".ckpt": PICKLE}
# Words of a name that tell for which program or in which precision, not what was trained.
_WRITTEN_FOR = frozenset(
    {
        *("comfy", "comfyui", "diffusers", "kohya", "webui", "a1111", "forge", "fal", "peft", "converted"),
        *("invoke", "invokeai", "swarmui", "drawthings", "mflux", "replicate"),
        *(
            "fp16",
            "bf16",
            "fp32",
            "fp8",
            "f16",
            "f32",
            "half",
            "e4m3fn",
            "e5m2",
            "float16",
            "bfloat16",
            "float32",
        ),
    }
)
_WORD = re.compile(r"[-_. ]+")
# Names that the libraries give: what is in the file is told by its folder or its repository.
_NAMELESS = frozenset(
    {
        *("pytorch_lora_weights", "adapter_model", "lora", "model", "weights", "lora_weights"),
        "diffusion_pytorch_model",
    }
)
# Parts of a whole model, and the state of a training run.
_PARTS = frozenset(
    {
        *("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3", "safety_checker"),
        *("image_encoder", "scheduler", "tokenizer", "feature_extractor", "prior", "decoder", "vqgan"),
    }
)
_NO_ADAPTER = re.compile(
    r"(?:diffusion_pytorch_model|diffusion_model|pytorch_model|optimizer|scheduler|random_states|scaler|rng_state|"
    r"training_args|events\.out)|.*-\d{5}-of-\d{5}",
    re.IGNORECASE,
)
# The vectors of pivotal tuning that belong to the adapter beside them.
_EMBEDDING = re.compile(r"(?:.*[-_.])?(?:emb|embedding|embeddings|ti|pti)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository: `oid` is git's name of its blob, `sha256` Git LFS' digest; "" if not told."""

    path: str
    size: int | None = None
    oid: str = ""
    sha256: str = ""

    @property
    def format(self) -> str:
        """SafeTensor, PickleTensor, or empty."""
        return _FORMATS.get(PurePosixPath(self.path).suffix.lower(), "")

    @property
    def stem(self) -> str:
        return PurePosixPath(self.path).stem

    @property
    def content(self) -> str:
        """What names the bytes: the same for identical files."""
        return f"sha256:{self.sha256}" if self.sha256 else f"git:{self.oid}" if self.oid else ""


@dataclass(slots=True)
class WeightsGroup:
    """The files of one version, the main one first. `beside`: vectors that belong to it."""

    name: str
    files: list[HubFile] = field(default_factory=list)
    beside: list[HubFile] = field(default_factory=list)


def files_of(siblings: object) -> list[HubFile]:
    """The files as `siblings` of a model's description tells them; whatever is malformed is left out."""
    found = []
    for each in siblings if isinstance(siblings, list) else []:
        path = each.get("rfilename") if isinstance(each, dict) else None
        if not isinstance(path, str) or len(path) > 500 or not _is_path(path):
            continue
        size, lfs = each.get("size"), each.get("lfs")
        oid = each.get("blobId")
        found.append(
            HubFile(
                path,
                size if type(size) is int and size >= 0 else None,
                oid if isinstance(oid, str) and re.fullmatch(r"[0-9a-f]{40}", oid) else "",
                _sha256(lfs.get("sha256")) if isinstance(lfs, dict) else "",
            )
        )
    return found


def _is_path(path: str) -> bool:
    """Whether it stays within the repository when it is put into an address or a folder."""
    return path.isprintable() and "\\" not in path and not {"", ".", ".."} & set(path.split("/"))


def _sha256(value: Any) -> str:
    return value.lower() if isinstance(value, str) and re.fullmatch(r"[0-9A-Fa-f]{64}", value) else ""


def group_weights(files: Iterable[HubFile], repo: str) -> list[WeightsGroup]:
    """The versions of the repository `repo` by the rule above, in the order of their files' paths."""
    every = sorted(files, key=lambda file: file.path)
    weights = [file for file in every if _is_weights(file)] or _lone(every)
    vectors = [file for file in weights if _EMBEDDING.fullmatch(file.stem) and len(weights) > 1]
    groups: dict[str, WeightsGroup] = {}
    held: dict[str, str] = {}
    for file in weights:
        if file in vectors:
            continue
        slot = held.get(file.content) or _slot(file)
        if file.content:
            held.setdefault(file.content, slot)
        groups.setdefault(slot, WeightsGroup("")).files.append(file)
    for group in groups.values():
        group.files.sort(key=_rank)
        group.name = _name(group.files[0], repo)
        folder = PurePosixPath(group.files[0].path).parent
        group.beside = [each for each in vectors if PurePosixPath(each.path).parent == folder]
    return list(groups.values())


def _is_weights(file: HubFile) -> bool:
    folders = PurePosixPath(file.path).parts[:-1]
    if not file.format or _NO_ADAPTER.match(file.stem) or any(part.startswith(".") for part in folders):
        return False
    # In a whole model the same folder names hold its parts; an adapter kept there is called one.
    told = file.stem.lower()
    return not any(part.lower() in _PARTS for part in folders) or "lora" in told or "adapter" in told


def _lone(files: Sequence[HubFile]) -> list[HubFile]:
    """A repository's only weights, under the name that diffusers gives to parts: now and then an adapter.

    alimama-creative/FLUX.1-Turbo-Alpha is one; the header tells at little cost.
    """
    if any(file.path == "model_index.json" for file in files):
        return []
    return [file for file in files if file.path == "diffusion_pytorch_model.safetensors"]


def _words(name: str) -> list[str]:
    return [word for word in _WORD.split(name.lower()) if word and word not in _WRITTEN_FOR]


def _slot(file: HubFile) -> str:
    """What the names of one version's files have in common."""
    named = [part for part in PurePosixPath(file.path).parts[:-1] if part.lower() not in _PARTS]
    folders = [" ".join(words) for part in named if (words := _words(part))]
    return "/".join([*folders, " ".join(_words(file.stem))])


def _rank(file: HubFile) -> tuple[bool, int, int, int, str]:
    """Safe before pickle, few words on programs and precisions, high in the tree, short, by name."""
    extra = len(_WORD.split(file.stem.lower())) - len(_words(file.stem))
    return file.format != SAFE, extra, file.path.count("/"), len(file.path), file.path


def _name(file: HubFile, repo: str) -> str:
    """The stem; where the library gave it, the folder's name or the repository's."""
    if file.stem.lower() not in _NAMELESS and _words(file.stem):
        return file.stem
    folder = PurePosixPath(file.path).parent.name
    return folder if folder and folder.lower() not in _PARTS else repo.rpartition("/")[2]
