"""A catalog as Civitai would hold it: models from recordings, by hand, or any number of them from a rule.

A model is the object of `GET /models/ID` with nothing left out: all keys, permission flags as a list,
pictures with their `meta`. What each endpoint makes of it is in civitai_answers.py. Every file of a made or
generated model has real bytes: a small LoRA that the official safetensors reader takes.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from registry.weights.digests import Digester

ALL_USES = ("Image", "RentCivit", "Rent", "Sell")
BEGAN = datetime(2024, 3, 1, tzinfo=UTC)
FIRST_ID = 100_001
GENERATED_CREATORS = 40
GENERATED_TAGS = 25


def stamp(moment: datetime) -> str:
    """A time as the API writes it: milliseconds and a Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@functools.cache
def _template(width: int = 320, context: int = 768) -> bytes:
    """A kohya LoRA of rank 2 for one attention block of Stable Diffusion 1.5, the same at every start."""
    random = np.random.default_rng(7)
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for layer, inputs in (("to_q", width), ("to_k", context), ("to_v", context)):
        name = f"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_{layer}"
        tensors[f"{name}.lora_down.weight"] = random.normal(size=(2, inputs)).astype(np.float16)
        tensors[f"{name}.lora_up.weight"] = random.normal(size=(width, 2)).astype(np.float16)
        tensors[f"{name}.alpha"] = np.array(2, dtype=np.float32)
    return save(tensors, metadata={"ss_network_dim": "2"})


def lora(seed: int) -> bytes:
    """A LoRA of some ten KiB; another seed (below 10^9) makes other bytes of the same header and size."""
    body = bytearray(_template())
    (header,) = struct.unpack("<Q", body[:8])
    digits = [(seed // 1000**place % 1000) / 1000 for place in range(3)]
    # The first tensor in the file is an alpha; the numbers go to the end, which is a lora_up or lora_down.
    body[-6:] = np.array(digits, dtype=np.float16).tobytes()
    assert len(body) > 8 + header
    return bytes(body)


def hashes(body: bytes) -> dict[str, str]:
    """The six digests as the API spells them."""
    with Digester() as digester:
        digester.update(body)
        found = digester.finish()
    names = {
        "AutoV1": found.autov1,
        "AutoV2": found.autov2,
        "SHA256": found.sha256,
        "CRC32": found.crc32,
        "BLAKE3": found.blake3,
        "AutoV3": found.autov3,
    }
    return {name: digest for name, digest in names.items() if digest}


def file(id: int, body: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """A file; without a body a LoRA of its own. The bytes ride along under `body`, which no answer shows."""
    body = lora(id) if body is None else body
    return {
        "id": id,
        "sizeKB": len(body) / 1024,
        "name": f"file{id}.safetensors",
        "type": "Model",
        "pickleScanResult": "Success",
        "pickleScanMessage": "No Pickle imports",
        "virusScanResult": "Success",
        "virusScanMessage": None,
        "scannedAt": stamp(BEGAN),
        "metadata": {"format": "SafeTensor", "size": None, "fp": "fp16"},
        "hashes": hashes(body),
        "body": body,
    } | changes


def version(id: int, files: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """A published version; without files it gets one."""
    files = [file(id * 10)] if files is None else files
    if files and not any(each.get("primary") for each in files):
        files[0]["primary"] = True
    return {
        "id": id,
        "index": 0,
        "name": f"v{id}",
        "baseModel": "SD 1.5",
        "baseModelType": "Standard",
        "createdAt": stamp(BEGAN),
        "publishedAt": stamp(BEGAN + timedelta(minutes=id)),
        "status": "Published",
        "flags": 0,
        "availability": "Public",
        "nsfwLevel": 1,
        "description": None,
        "trainedWords": [],
        "vaeId": None,
        "earlyAccessDeadline": None,
        "paidAccess": None,
        "usageControl": "Download",
        "stats": {"downloadCount": 10, "thumbsUpCount": 1, "thumbsDownCount": 0},
        "files": files,
        "images": [],
    } | changes


def model(id: int, versions: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """A model with the permission flags that the upload form presets; without versions it gets one."""
    return {
        "id": id,
        "name": f"Model {id}",
        "description": f"<p>Adapter number {id}.</p>",
        "allowNoCredit": True,
        "allowCommercialUse": list(ALL_USES),
        "allowDerivatives": True,
        "allowDifferentLicense": True,
        "type": "LORA",
        "minor": False,
        "sfwOnly": False,
        "poi": False,
        "nsfw": False,
        "nsfwLevel": 1,
        "availability": "Public",
        "userId": 5,
        "cosmetic": None,
        "supportsGeneration": False,
        "stats": {
            "downloadCount": 10, "thumbsUpCount": 1, "thumbsDownCount": 0, "commentCount": 0,
            "tippedAmountCount": 0,
        },
        "creator": {"username": "mika", "image": None},
        "tags": ["style"],
        "modelVersions": [version(id * 10)] if versions is None else versions,
    } | changes  # fmt: skip


RECORDED = Path(__file__).parents[1] / "data" / "civitai" / "recorded"


def recorded() -> list[dict[str, Any]]:
    """The recorded models of every year; their files have no bytes here."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RECORDED.glob("model_*.json"))]


class Catalog:
    """Models by id, in the order of their newest version. `generated`: so many of them made when looked at.

    Nothing of a generated model is kept unless it was changed, so 100,000 cost no more memory than their ids.
    """

    def __init__(
        self, models: Iterable[dict[str, Any]] = (), *, generated: int = 0, versions: int = 1
    ) -> None:
        self._made = {each["id"]: each for each in models}
        self._generated = range(FIRST_ID, FIRST_ID + generated)
        self._versions = versions
        self._edits: dict[int, int] = {}
        self._gone: set[int] = set()
        self._order: list[tuple[int, int]] = []

    def add(self, *models: dict[str, Any]) -> None:
        """Add models, or put them in the place of those with the same ids."""
        self._made.update({each["id"]: each for each in models})
        self._gone -= {each["id"] for each in models}
        self._order = []

    def edit(self, id: int) -> None:
        """Let the creator of a generated model publish one more version, which makes it the newest."""
        assert id in self._generated
        self._edits[id] = len(self._edits) + 1
        self._order = []

    def remove(self, id: int) -> None:
        """Delete a model; nothing of it is found any more."""
        self._gone.add(id)
        self._made.pop(id, None)
        self._order = []

    def __len__(self) -> int:
        return len(self.order())

    def get(self, id: int) -> dict[str, Any] | None:
        """The whole model; only one from the outside may be changed in place."""
        if id in self._gone:
            return None
        if id in self._made:
            return self._made[id]
        return self._generate(id) if id in self._generated else None

    def order(self) -> list[tuple[int, int]]:
        """(milliseconds of the newest version, id) of all models, the oldest first."""
        if not self._order:
            made = {id: _newest(each) for id, each in self._made.items()}
            rest = (id for id in self._generated if id not in made and id not in self._gone)
            self._order = sorted([(at, id) for id, at in made.items()] + [(self._at(id), id) for id in rest])
        return self._order

    def newest_before(self, key: tuple[int, int] | None) -> Iterator[dict[str, Any]]:
        """Models from the newest on, strictly older than `key`."""
        order = self.order()
        at = len(order) if key is None else bisect.bisect_left(order, key)
        for place in range(at - 1, -1, -1):
            found = self.get(order[place][1])
            assert found is not None
            yield found

    def at(self, id: int) -> int:
        """Milliseconds of the model's newest version: what the list is ordered by."""
        return _newest(self._made[id]) if id in self._made else self._at(id)

    def has_creator(self, name: str) -> bool:
        """Whether somebody of this name published something; the generated ones by rule."""
        known = {slug((each.get("creator") or {}).get("username") or "") for each in self._made.values()}
        return name in known or name in self._creators

    def has_tag(self, name: str) -> bool:
        return name in self._tags or any(name in (each.get("tags") or []) for each in self._made.values())

    def version(self, id: int) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The model and its version with this id."""
        for each in self._made.values():
            for found in each["modelVersions"]:
                if found["id"] == id:
                    return each, found
        owner = self.get(id // 10) if id // 10 in self._generated and id // 10 not in self._made else None
        for found in owner["modelVersions"] if owner else []:
            if owner and found["id"] == id:
                return owner, found
        return None

    def by_hash(self, digest: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The version that was published first of those with a file of this digest. Looks at everything."""
        digest = digest.upper()
        found = [
            (each, own)
            for each in self.newest_before(None)
            for own in each["modelVersions"]
            for one in own.get("files", [])
            if digest in {str(value).upper() for value in (one.get("hashes") or {}).values()}
        ]
        return min(found, key=lambda pair: str(pair[1].get("publishedAt")), default=None)

    @functools.cached_property
    def _creators(self) -> frozenset[str]:
        return frozenset(f"creator{n}" for n in range(min(GENERATED_CREATORS, len(self._generated))))

    @functools.cached_property
    def _tags(self) -> frozenset[str]:
        return frozenset(
            ["generated", *(f"tag{n}" for n in range(min(GENERATED_TAGS, len(self._generated))))]
        )

    def _at(self, id: int) -> int:
        return _milliseconds(self._published(id, self._edits.get(id, 0)))

    def _published(self, id: int, edit: int) -> datetime:
        if edit:
            return BEGAN + timedelta(days=700, minutes=edit)
        return BEGAN + timedelta(minutes=id - FIRST_ID)

    def _generate(self, id: int) -> dict[str, Any]:
        number = id - FIRST_ID
        count = self._versions + bool(self._edits.get(id))
        versions = []
        for place in range(count, 0, -1):
            edit = self._edits.get(id, 0) if place > self._versions else 0
            published = self._published(id, edit) - timedelta(seconds=count - place)
            versions.append(_generated_version(id * 10 + place, place, published, id))
        uses = [use for bit, use in enumerate(ALL_USES) if number >> bit & 1]
        return model(
            id,
            versions,
            name=f"Adapter {number}",
            allowCommercialUse=uses,
            allowNoCredit=number % 3 > 0,
            creator={"username": f"creator{number % GENERATED_CREATORS}", "image": None},
            tags=["generated", f"tag{number % GENERATED_TAGS}"],
            nsfwLevel=1 if number % 4 else 4,
        )


def _generated_version(id: int, place: int, published: datetime, model_id: int) -> dict[str, Any]:
    body = lora(id)
    sha256 = hashlib.sha256(body).hexdigest().upper()
    one = {
        "id": id * 10,
        "sizeKB": len(body) / 1024,
        "name": f"adapter{model_id}_v{place}.safetensors",
        "type": "Model",
        "metadata": {"format": "SafeTensor", "size": None, "fp": "fp16"},
        "hashes": {"SHA256": sha256, "AutoV2": sha256[:10]},
        "body": body,
    }
    return version(
        id, [one], name=f"v{place}", publishedAt=stamp(published), trainedWords=[f"word{model_id % 1000}"]
    )


def slug(name: str) -> str:
    """A user's name as the server compares it."""
    return "".join(sign for sign in name.replace(" ", "_", 1).lower() if sign.isalnum() or sign in "_-.")


def _newest(each: dict[str, Any]) -> int:
    told = [
        found.get("publishedAt") or found.get("createdAt") or stamp(BEGAN) for found in each["modelVersions"]
    ]
    moments = [datetime.fromisoformat(value) for value in told]
    return _milliseconds(max(moments, default=BEGAN))


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000
