"""`manage.py fetch_base`: a base model comes whole from one commit, and goes on where it was cut off."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from registry.base_weights import fetch_base
from registry.errors import KuraError
from registry.models import AuditEvent, BaseModel
from registry.sources.base_models import NoPipeline
from registry.sources.errors import UnknownBase
from registry.sources.upstream_errors import DownloadStopped, GatedUpstream, HashMismatch, NotFoundUpstream
from tests.registry.sources.hub_fixture import hub
from tests.registry.weights.files import write_shapes
from tests.upstreams.faults import Corrupt, Drip
from tests.upstreams.hub import HubServer

__all__ = ["hub"]

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("seeded")]

REPO = "stabilityai/stable-diffusion-xl-base-1.0"
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "image_encoder": [None, None],
}
WANTED = {
    "model_index.json": json.dumps(INDEX).encode(),
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": b"w" * 3_000_000,
    "scheduler/scheduler_config.json": b'{"a": 1}',
}
BESIDE = {
    "README.md": b"# Base",
    "unet/diffusion_pytorch_model.fp16.safetensors": b"h" * 1000,
    "unet/diffusion_pytorch_model.bin": b"p" * 1000,
    "safety_checker/model.safetensors": b"s" * 1000,
    "whole_model.safetensors": b"m" * 1000,
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, settings: Settings) -> None:
    settings.VAR_DIR = tmp_path / "var"


@pytest.fixture
def base() -> BaseModel:
    return BaseModel.objects.get(aliases__name__iexact=REPO)


def held(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_rendering_needs_is_fetched_and_nothing_else(hub: HubServer, base: BaseModel) -> None:
    repo = hub.add(REPO, {**WANTED, **BESIDE})
    out = io.StringIO()
    call_command("fetch_base", base.slug, stdout=out)
    base.refresh_from_db()
    assert held(Path(base.weights)) == WANTED
    assert Path(base.weights).name == repo.head.sha
    assert base.weights_revision == repo.head.sha
    assert repo.head.sha in out.getvalue()
    assert AuditEvent.objects.filter(action="fetch_base").count() == 1


def test_again_it_stays_at_its_commit_and_fetches_no_file(hub: HubServer, base: BaseModel) -> None:
    repo = hub.add(REPO, WANTED)
    first = fetch_base(base.slug)
    hub.push(REPO, {"unet/config.json": b'{"new": 1}'})
    hub.requests.clear()
    again = fetch_base(base.slug)
    assert (again.revision, again.fetched) == (first.revision, 0)
    assert not [each for each in hub.requests if "/unet/" in each.path]
    newer = fetch_base(base.slug, revision="main")
    assert newer.revision == repo.head.sha != first.revision
    assert (newer.folder / "unet/config.json").read_bytes() == b'{"new": 1}'
    assert held(first.folder) == WANTED


def test_what_was_stopped_goes_on_at_the_same_commit_and_byte(hub: HubServer, base: BaseModel) -> None:
    began = hub.add(REPO, WANTED).head.sha
    hub.plan(Drip(block=100_000, pause=0.05), path=r"\.safetensors$")
    seen = [0]

    def watch(name: str, done: int, total: int) -> None:
        seen[0] = done

    with pytest.raises(DownloadStopped):
        fetch_base(base.slug, progress=watch, should_stop=lambda: seen[0] > 500_000)
    base.refresh_from_db()
    assert base.weights == ""
    hub.push(REPO, {"unet/config.json": b'{"new": 1}'})
    hub.requests.clear()
    found = fetch_base(base.slug)
    assert found.revision == began
    assert held(found.folder) == WANTED
    (asked,) = [each.headers["range"] for each in hub.requests if each.path.endswith(".safetensors")]
    assert int(asked.removeprefix("bytes=").rstrip("-")) >= 500_000
    assert found.fetched <= found.size - 500_000


TEXT = {
    "text_encoder/config.json": b"{}",
    "text_encoder/model.safetensors": b"t" * 2000,
    "tokenizer/vocab.json": b"{}",
    "tokenizer/merges.txt": b"",
}
PARTS = {"text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"]}


def test_a_layout_is_configuration_and_tokenizers_and_leaves_the_weights_as_they_are(
    hub: HubServer, base: BaseModel
) -> None:
    index = {"model_index.json": json.dumps(INDEX | PARTS).encode()}
    hub.add(REPO, {**WANTED, **TEXT, **index, **BESIDE})
    base.weights = "models/one.safetensors"
    base.save()
    call_command("fetch_base", base.slug, "--layout", stdout=io.StringIO())
    base.refresh_from_db()
    assert base.weights == "models/one.safetensors" and base.weights_revision == ""
    files = held(Path(base.weights_layout))
    assert set(files) == {name for name in {**WANTED, **TEXT} if not name.endswith(".safetensors")}
    assert AuditEvent.objects.get(action="fetch_base").data["kind"] == "layout"


def test_a_layout_has_the_weights_of_what_the_single_file_lacks(
    hub: HubServer, base: BaseModel, tmp_path: Path
) -> None:
    index = {"model_index.json": json.dumps(INDEX | PARTS).encode()}
    hub.add(REPO, {**WANTED, **TEXT, **index})
    unet = {"input_blocks.0.0.weight": (320, 4, 3, 3), "input_blocks.1.1.proj_in.weight": (320, 320, 1, 1)}
    base.weights = str(write_shapes(tmp_path / "unet.safetensors", unet))
    base.save()
    found = fetch_base(base.slug, layout=True)
    assert set(held(found.folder)) == {*WANTED, *TEXT} - {"unet/diffusion_pytorch_model.safetensors"}
    write_shapes(tmp_path / "unet.safetensors", {"decoder.conv_in.weight": (512, 4, 3, 3)})
    with pytest.raises(NoPipeline, match="Stable Diffusion or FLUX"):
        fetch_base(base.slug, layout=True)


def test_a_damaged_file_is_fetched_anew(hub: HubServer, base: BaseModel) -> None:
    hub.add(REPO, WANTED)
    found = fetch_base(base.slug)
    for name in ("unet/config.json", "unet/diffusion_pytorch_model.safetensors"):
        body = bytearray((found.folder / name).read_bytes())
        body[0] ^= 1
        (found.folder / name).write_bytes(body)
    fetch_base(base.slug)
    assert held(found.folder) == WANTED


def test_other_bytes_than_the_commits_are_refused(hub: HubServer, base: BaseModel) -> None:
    hub.add(REPO, WANTED)
    hub.plan(Corrupt(at=0), path="unet/config.json$", times=None)
    with pytest.raises(HashMismatch):
        fetch_base(base.slug)
    base.refresh_from_db()
    assert base.weights == ""


def test_a_gated_base_names_whom_to_ask_and_comes_with_the_token(
    hub: HubServer, base: BaseModel, settings: Settings
) -> None:
    hub.add(REPO, WANTED, gated="manual", readers={"noor"})
    with pytest.raises(GatedUpstream) as caught:
        fetch_base(base.slug)
    assert caught.value.who_to_ask and caught.value.next_step
    hub.accounts["hf_secret"] = "noor"
    settings.UPSTREAM_TOKENS = {hub.host: "hf_secret"}
    assert held(fetch_base(base.slug).folder) == WANTED


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"README.md": b"x"}, NoPipeline),
        ({"model_index.json": b"["}, NoPipeline),
        ({"model_index.json": b"[]"}, NoPipeline),
        ({"model_index.json": json.dumps({"../up": ["a", "b"]}).encode()}, NoPipeline),
        ({**WANTED, "unet/diffusion_pytorch_model.safetensors": None, "unet/x.bin": b"p"}, NoPipeline),
    ],
)
def test_what_diffusers_cannot_load_is_told(
    hub: HubServer, base: BaseModel, files: dict[str, bytes | None], error: type[KuraError]
) -> None:
    hub.add(REPO, {path: body for path, body in files.items() if body is not None})
    with pytest.raises(error):
        fetch_base(base.slug)


def test_unknown_names_are_told(hub: HubServer, base: BaseModel) -> None:
    with pytest.raises(UnknownBase):
        fetch_base("nothing-like-it")
    with pytest.raises(NotFoundUpstream):
        fetch_base(base.slug)
    hub.add("mika/own", WANTED)
    assert fetch_base(base.slug, repo="mika/own").repo == "mika/own"
