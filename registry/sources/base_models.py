"""Fetches a base model to render with: a diffusers folder from the Hub at one commit, resumable file by file.

The list of files is the Hub's own at that commit, so a folder is never put together from two states of a
repository; each file goes through the door, which goes on where it was cut off and compares the digest. The
folder is used only when it is whole.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from registry.sources.errors import SourceError
from registry.sources.http import ANY, credentials_for, download, get
from registry.sources.huggingface_client import file_address, may_fetch, model_info
from registry.sources.huggingface_files import HubFile, files_of
from registry.sources.text import line
from registry.sources.upstream_errors import HashMismatch, UpstreamError
from registry.weights.digests import digest_file

INDEX = "model_index.json"
# Parts of a pipeline that rendering does without, one of them 1.2 GB.
_NOT_RENDERED = {"safety_checker", "feature_extractor", "image_encoder"}
_CONFIGURATION = {".json", ".txt", ".model"}
# `model.fp16.safetensors`, `model.fp16-00001-of-00002.safetensors`: the same weights in another precision.
_VARIANT = re.compile(r".+\.(?P<variant>[a-z0-9_]+)(?:-\d{5}-of-\d{5})?\.safetensors")

Progress = Callable[[str, int, int], None]
"""Told the file's name, the bytes of the whole that are here, and how many the whole has."""


class NoPipeline(SourceError):
    """The repository is no folder that diffusers can load."""

    code = "no_pipeline"
    next_step = "Name a repository that holds a model_index.json and safetensors weights."


@dataclass(frozen=True, slots=True)
class FetchedBase:
    """A base model's folder. `revision`: the commit; `fetched`: bytes that this call had to fetch."""

    folder: Path
    repo: str
    revision: str
    size: int
    fetched: int


def fetch_pipeline(
    repo: str,
    into: Path,
    *,
    revision: str = "",
    progress: Progress = lambda name, done, total: None,
    should_stop: Callable[[], bool] | None = None,
    begin: Callable[[str], None] = lambda sha: None,
    weighs: Callable[[str], bool] = lambda part: True,
) -> FetchedBase:
    """Bring the pipeline `repo` into a folder of `into` named after its commit, save what is there already.

    `weighs` tells the parts whose weights are wanted; configuration and tokenizers come always. `begin` is
    told the commit before its first byte comes. Cut off at any point, the next call goes on. Raises
    UpstreamError (gated_upstream, login_required and not_enough_disk among them), NoPipeline.
    """
    info, document = model_info(repo, revision)
    sha = str(info.sha)
    if not re.fullmatch(r"[0-9a-f]{40}", sha):
        raise NoPipeline(f"The Hub names no commit of {repo}.")
    told: dict[str, Any] = json.loads(document.body)
    if told.get("gated") and (refusal := may_fetch(info.id)) is not None:
        raise refusal
    files = files_of(told.get("siblings"))
    wanted = _files_of_pipeline(files, _parts(info.id, sha, files), weighs)
    begin(sha)
    folder = into / sha
    total = sum(file.size or 0 for file in wanted)
    done = fetched = 0
    for file in wanted:
        target = folder / PurePosixPath(file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        before, held = done, _is_whole(target, file)

        def tell(now: int, _: int | None = None, before: int = before, name: str = file.path) -> None:
            progress(name, before + now, total)

        if not held:
            part = _part_size(target)
            url = file_address(info.id, sha, file.path)
            download(
                url,
                target,
                size=file.size,
                sha256=file.sha256,
                credentials=credentials_for(url),
                progress=tell,
                should_stop=should_stop,
            )
            if not file.sha256 and not _is_whole(target, file):
                target.unlink()
                raise HashMismatch(f"{file.path} of {repo} has other bytes than its commit says.")
            fetched += target.stat().st_size - part
        done += target.stat().st_size
        progress(file.path, done, total)
    return FetchedBase(folder, info.id, sha, done, fetched)


def _is_whole(target: Path, file: HubFile) -> bool:
    """Whether these are the file's bytes: by Git LFS' SHA256, by git's name of the blob, else by the size."""
    if not target.is_file() or (file.size is not None and target.stat().st_size != file.size):
        return False
    if file.sha256:
        return digest_file(target).sha256.lower() == file.sha256
    if file.oid:
        body = target.read_bytes()
        told = b"blob %d\0%s" % (len(body), body)
        return hashlib.sha1(told, usedforsecurity=False).hexdigest() == file.oid
    return file.size is not None


def _part_size(target: Path) -> int:
    part = target.with_name(f"{target.name}.part")
    return part.stat().st_size if part.is_file() else 0


def _parts(repo: str, sha: str, files: list[HubFile]) -> list[str]:
    """The folders that the pipeline's index names: `"unet": ["diffusers", "UNet2DConditionModel"]`."""
    if INDEX not in {file.path for file in files}:
        raise NoPipeline(f"{repo} has no {INDEX}.")
    url = file_address(repo, sha, INDEX)
    answer = get(url, credentials=credentials_for(url), accept=ANY, cap=2**20)
    try:
        index = answer.json()
    except UpstreamError:
        raise NoPipeline(f"{INDEX} of {repo} is no JSON.") from None
    if not isinstance(index, dict):
        raise NoPipeline(f"{INDEX} of {repo} is no object.")
    return [
        name
        for name, value in index.items()
        if not name.startswith("_")
        and name not in _NOT_RENDERED
        and isinstance(value, list)
        and len(value) == 2
        and all(value)
    ]


def _files_of_pipeline(
    files: list[HubFile], parts: list[str], weighs: Callable[[str], bool]
) -> list[HubFile]:
    """The index, and of each part its configuration and weights: safetensors, without further precisions.

    Raises NoPipeline where a part has weights, but none that may be loaded, or a path is none of a folder.
    """
    wanted = [file for file in files if file.path == INDEX]
    for part in parts:
        own = [file for file in files if PurePosixPath(file.path).parent == PurePosixPath(part)]
        if not own or ".." in part or "/" in part:
            raise NoPipeline(f"The part {line(part, 80)} that {INDEX} names is not in the repository.")
        wanted += [file for file in own if PurePosixPath(file.path).suffix in _CONFIGURATION]
        if not weighs(part):
            continue
        weights = [
            file for file in own if file.format == "SafeTensor" and not _VARIANT.fullmatch(_name(file))
        ]
        if not weights and any(file.format for file in own):
            raise NoPipeline(
                f"{part} has no safetensors weights in full precision, and nothing else is loaded."
            )
        wanted += weights
    return wanted


def _name(file: HubFile) -> str:
    return PurePosixPath(file.path).name
