"""The papers of the adapters in the forms upstreams use: header metadata, sidecars, cards, samples."""

from __future__ import annotations

import hashlib
import json
import random
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from demo.training.cards import PAPERS, Paper
from demo.training.recipes import Recipe

Json = dict[str, Any]
BASE_NAME, BASE_ID = "Kura Toybox", "kura/toybox"
SAMPLER = "DPM++ 2M Karras"
_DATE = "2026-11-20T09:00:00.000Z"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def training_metadata(recipe: Recipe, base: Path, which: int) -> dict[str, str]:
    """What sd-scripts and LyCORIS write into a file's header; diffusers' own dialects carry little."""
    if recipe.dialect != "kohya":
        return {"format": "pt"}
    shape = recipe.shape
    examples = recipe.examples(which)
    rng = random.Random(0)
    tags = Counter(tag.strip() for e in examples for tag in e.caption(rng).split(",") if tag.strip())
    folder = f"10_{recipe.file}"
    arguments: dict[str, str] = {}
    if shape.conv_rank:
        arguments |= {
            "conv_dim": str(shape.conv_rank),
            "conv_alpha": str(shape.conv_alpha or shape.conv_rank),
        }
    if shape.algorithm == "loha":
        arguments |= {"algo": "loha", "preset": "attn-mlp"}
    if shape.algorithm == "dora":
        arguments |= {"algo": "lora", "dora_wd": "True"}
    module = "lycoris.kohya" if arguments else "networks.lora"
    paper = PAPERS.get(recipe.file)
    return {
        "ss_output_name": recipe.file,
        "ss_sd_model_name": BASE_ID,
        "ss_new_sd_model_hash": _sha256(base / "unet" / "diffusion_pytorch_model.safetensors"),
        "ss_base_model_version": "toybox",
        "ss_v_parameterization": "True",
        "ss_network_module": module,
        "ss_network_dim": str(shape.rank),
        "ss_network_alpha": str(float(shape.rank if shape.alpha is None else shape.alpha)),
        "ss_network_args": json.dumps(arguments),
        "ss_learning_rate": str(recipe.rate),
        "ss_optimizer": "torch.optim.adamw.AdamW(weight_decay=0.01,betas=(0.9, 0.99))",
        "ss_lr_scheduler": "linear",
        "ss_max_train_steps": str(recipe.steps),
        "ss_steps": str(recipe.steps),
        "ss_seed": str(which),
        "ss_resolution": "(64, 64)",
        "ss_batch_size_per_device": "8",
        "ss_mixed_precision": "bf16",
        "ss_num_train_images": str(len(examples)),
        "ss_num_reg_images": "0",
        "ss_dataset_dirs": json.dumps({folder: {"n_repeats": 10, "img_count": len(examples)}}),
        "ss_tag_frequency": json.dumps({folder: dict(tags.most_common(20))}),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "kura-toybox/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": paper.title if paper else recipe.file,
        "modelspec.resolution": "64x64",
        "modelspec.prediction_type": "v",
        **({"modelspec.trigger_phrase": paper.words[0]} if paper and paper.words else {}),
    }


def _hashes(path: Path) -> dict[str, str]:
    """Hashes as Civitai writes them: upper case, CRC bytes as they are, AutoV3 over the tensors alone."""
    content = path.read_bytes()
    tensors = content[8 + int.from_bytes(content[:8], "little") :]
    whole = hashlib.sha256(content).hexdigest().upper()
    crc = zlib.crc32(content).to_bytes(4, "little").hex().upper()
    return {
        "SHA256": whole,
        "AutoV2": whole[:10],
        "CRC32": crc,
        "AutoV3": hashlib.sha256(tensors).hexdigest().upper()[:12],
    }


def _picture_meta(paper: Paper, number: int) -> Json:
    prompt = paper.samples[number]
    return {
        "prompt": f"{prompt} <lora:{paper.file}:{paper.weight:g}>",
        "negativePrompt": "",
        "seed": 100 + number,
        "steps": 20,
        "sampler": SAMPLER,
        "cfgScale": 5,
        "Size": "64x64",
        "Model": "kura-toybox",
        "resources": [{"name": paper.file, "type": "lora", "weight": paper.weight}],
    }


def parameters_text(paper: Paper, number: int, short_hash: str) -> str:
    """The generation parameters as the web UI writes them into pictures."""
    meta = _picture_meta(paper, number)
    return (
        f"{meta['prompt']}\nSteps: 20, Sampler: {SAMPLER}, CFG scale: 5, Seed: {meta['seed']}, Size: 64x64, "
        f'Model: kura-toybox, Lora hashes: "{paper.file}: {short_hash}"'
    )


def _version(paper: Paper, path: Path) -> Json:
    """A model version as Civitai's API gives it, with the model's flags as Civitai Helper adds them."""
    images = [
        {
            "url": f"{path.stem}.sample{number + 1}.png",
            "nsfwLevel": 1,
            "width": 64,
            "height": 64,
            "type": "image",
            "hasMeta": True,
            "meta": _picture_meta(paper, number),
        }
        for number in range(len(paper.samples))
    ]
    return {
        "id": paper.version_id,
        "modelId": paper.model_id,
        "name": paper.version,
        "createdAt": _DATE,
        "updatedAt": _DATE,
        "publishedAt": _DATE,
        "status": "Published",
        "availability": "Public",
        "trainedWords": list(paper.words),
        "baseModel": BASE_NAME,
        "baseModelType": None,
        "description": paper.version_note or None,
        "uploadType": "Created",
        "usageControl": "Download",
        "earlyAccessEndsAt": None,
        "stats": {"downloadCount": 0, "thumbsUpCount": 0},
        "model": {
            "name": paper.title,
            "type": "LORA",
            "nsfw": False,
            "poi": False,
            "minor": False,
            "sfwOnly": False,
            "description": paper.text,
            "tags": list(paper.tags),
            **paper.flags,
        },
        "creator": {"username": paper.author},
        "files": [
            {
                "id": paper.version_id,
                "sizeKB": path.stat().st_size / 1024,
                "name": path.name,
                "type": "Model",
                "pickleScanResult": "Success",
                "virusScanResult": "Success",
                "metadata": {"format": "SafeTensor", "size": None, "fp": "fp16"},
                "hashes": _hashes(path),
                "primary": True,
            }
        ],
        "images": images,
    }


def _lora_manager(paper: Paper, path: Path) -> Json:
    version = _version(paper, path)
    return {
        "file_name": path.stem,
        "model_name": paper.title,
        "file_path": path.name,
        "size": path.stat().st_size,
        "modified": 1795165200.0,
        "sha256": _sha256(path),
        "base_model": BASE_NAME,
        "preview_url": f"{path.stem}.sample1.png",
        "preview_nsfw_level": 1,
        "notes": "",
        "from_civitai": True,
        "civitai": version,
        "tags": list(paper.tags),
        "modelDescription": paper.text,
        "civitai_deleted": False,
        "favorite": False,
        "exclude": False,
        "usage_tips": json.dumps({"strength": paper.weight}),
        "metadata_source": "civitai_api",
    }


def _stability_matrix(paper: Paper, path: Path) -> Json:
    hashes = _hashes(path)
    return {
        "ModelId": paper.model_id,
        "ModelName": paper.title,
        "ModelDescription": paper.text,
        "Nsfw": False,
        "Tags": list(paper.tags),
        "ModelType": "LORA",
        "VersionId": paper.version_id,
        "VersionName": paper.version,
        "VersionDescription": paper.version_note or None,
        "AuthorUsername": paper.author,
        "BaseModel": BASE_NAME,
        "RemoteFileName": path.name,
        "RemoteFileId": paper.version_id,
        "FileMetadata": {"fp": "fp16", "size": None, "format": "SafeTensor"},
        "ImportedAt": "2026-11-20T18:00:00+09:00",
        "Hashes": {"SHA256": hashes["SHA256"], "CRC32": hashes["CRC32"]},
        "TrainedWords": list(paper.words),
        "Stats": None,
        "UserTitle": None,
        "ThumbnailImageUrl": f"{path.stem}.sample1.png",
        "InferenceDefaults": None,
        "Source": "Civitai",
        "SourceUrl": None,
    }


_SIDECARS: dict[str, Callable[[Paper, Path], Json]] = {
    "civitai.info": _version,
    "metadata.json": _lora_manager,
    "cm-info.json": _stability_matrix,
}


def card(paper: Paper, path: Path) -> str:
    """A model card as the Hub knows it."""
    lines = ["---", f"license: {paper.license}"]
    if paper.license == "other":
        lines += [f"license_name: {paper.license_name}"]
    lines += [f"base_model: {BASE_ID}", "library_name: diffusers", "pipeline_tag: text-to-image"]
    if paper.words:
        lines.append(f"instance_prompt: {paper.words[0]}")
    lines += ["tags:", *(f"- {tag}" for tag in ("lora", "diffusers", "text-to-image", *paper.tags))]
    lines.append("widget:")
    for number, prompt in enumerate(paper.samples):
        lines += [f"- text: {prompt}", "  output:", f"    url: {path.stem}.sample{number + 1}.png"]
    lines += ["---", f"# {paper.title}", "", paper.text, ""]
    if paper.words:
        lines += ["## Trigger words", "", ", ".join(f"`{word}`" for word in paper.words), ""]
    lines += ["## Use", "", f"Weight {paper.weight:g} on {BASE_NAME}. By {paper.author}.", ""]
    return "\n".join(lines)


def write_papers(folder: Path) -> None:
    """Writes the papers beside every adapter file in `folder`; files keep their bytes."""
    for paper in PAPERS.values():
        path = folder / paper.folder / f"{paper.file}.safetensors"
        if not path.exists():
            continue
        for kind in paper.kinds:
            if kind == "README.md":
                (path.parent / kind).write_text(card(paper, path), encoding="utf-8")
            else:
                path.with_name(f"{path.stem}.{kind}").write_text(
                    json.dumps(_SIDECARS[kind](paper, path), indent=2) + "\n", encoding="utf-8"
                )


def save_sample(picture: Image.Image, paper: Paper, number: int, folder: Path) -> Path:
    """Saves a sample picture beside its adapter, with the parameters that made it."""
    path = folder / paper.folder / f"{paper.file}.safetensors"
    info = PngInfo()
    info.add_text("parameters", parameters_text(paper, number, _hashes(path)["AutoV3"].lower()))
    target = path.with_name(f"{path.stem}.sample{number + 1}.png")
    picture.save(target, pnginfo=info, optimize=True)
    return target
