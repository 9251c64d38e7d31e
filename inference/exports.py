"""One cell for other programs: AUTOMATIC1111's parameters, a ComfyUI workflow, a diffusers script."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from inference.exported_words import (
    TWO_ENCODERS,
    LearnedWord,
    a1111_notes,
    a1111_text,
    comfyui_notes,
    comfyui_text,
    diffusers_lines,
    diffusers_text,
    said,
    words_of,
)
from inference.models import Sheet
from inference.recipes import Hires, Sampled, SheetPlan, is_distilled
from registry.models import File

# Names of the samplers as each program spells them: AUTOMATIC1111 (sampler and schedule in one), ComfyUI's
# KSampler (sampler_name, scheduler).
_A1111 = {
    "dpmpp_2m_karras": "DPM++ 2M Karras",
    "dpmpp_sde_karras": "DPM++ SDE Karras",
    "euler_a": "Euler a",
    "euler_flow": "Euler",
}
_COMFY = {
    "dpmpp_2m_karras": ("dpmpp_2m", "karras"),
    "dpmpp_sde_karras": ("dpmpp_sde", "karras"),
    "euler_a": ("euler_ancestral", "normal"),
    "euler_flow": ("euler", "simple"),
}
_SCHEDULERS = {
    "dpmpp_2m_karras": (
        "DPMSolverMultistepScheduler",
        'algorithm_type="dpmsolver++", solver_order=2, use_karras_sigmas=True',
    ),
    "dpmpp_sde_karras": ("DPMSolverSDEScheduler", 'use_karras_sigmas=True, timestep_spacing="linspace"'),
    "euler_a": ("EulerAncestralDiscreteScheduler", 'timestep_spacing="linspace"'),
    "euler_flow": ("FlowMatchEulerDiscreteScheduler", ""),
}
# Families whose ComfyUI latent has sixteen channels and so a node of its own.
_SIXTEEN = frozenset({"sd3_medium", "sd35_medium", "sd35_large", "flux1"})
FORMATS = ("a1111", "comfyui", "diffusers")
"""What a cell can be exported as."""


@dataclass(frozen=True, slots=True)
class Applied:
    """One adapter as a cell applies it; `blocks` is what stands behind `lbw=`, "" for all alike, `words` what
    its file brings.
    """

    file: str
    sha256: str
    unet: float
    text_encoder: float
    blocks: str = ""
    words: tuple[LearnedWord, ...] = ()

    @property
    def stem(self) -> str:
        """The name that A1111 looks a file up by."""
        return PurePosixPath(self.file).stem

    @property
    def tag(self) -> str:
        """`<lora:name:te:unet>` of AUTOMATIC1111, with the blocks as LoRA Block Weight reads them."""
        weights = (
            f"{self.unet:g}" if self.unet == self.text_encoder else f"{self.text_encoder:g}:{self.unet:g}"
        )
        return f"<lora:{self.stem}:{weights}{f':lbw={self.blocks}' if self.blocks else ''}>"


@dataclass(frozen=True, slots=True)
class CellFacts:
    """Everything that makes one cell again. `base` is the folder or checkpoint name of the base model."""

    prompt: str
    seed: int
    how: Sampled
    base: str
    base_digest: str
    family: str
    adapters: tuple[Applied, ...] = ()

    @property
    def words(self) -> list[LearnedWord]:
        """The learned words in its prompts."""
        return said(self.brought, self.prompt, self.how.negative)

    @property
    def brought(self) -> list[LearnedWord]:
        """All words that its adapters' files bring."""
        return [word for each in self.adapters for word in each.words]


def facts_of(sheet: Sheet, plan: SheetPlan) -> dict[tuple[int, int], CellFacts]:
    """The facts of every cell of the sheet's plan, by row and column; one query for the files' names, one for
    each file's words.
    """
    digests = [each.sha256 for each in plan.adapters] or [sheet.blob_id]
    names = _names(digests)
    words = {digest: words_of(digest, names[digest]) for digest in digests}
    found = {}
    for batch in plan.batches():
        # Weight 0 is the base itself.
        slots = [slot for slot in batch.column.slots if slot.unet or slot.text_encoder]
        applied = tuple(
            Applied(names[digest], digest, each.unet, each.text_encoder, each.blocks, words[digest])
            for each in slots
            for digest in [digests[each.adapter]]
        )
        for place, text, seed in zip(batch.places, batch.texts, batch.seeds, strict=True):
            found[place.row, place.column] = CellFacts(
                text, seed, batch.how, sheet.base.name, sheet.base_digest, sheet.base.family, applied
            )
    return found


def _names(digests: list[str]) -> dict[str, str]:
    names = {digest: f"{digest[:10]}.safetensors" for digest in digests}
    for digest, name in File.objects.filter(blob__in=digests).order_by("-pk").values_list("blob_id", "name"):
        names[digest] = name
    return names


def a1111_parameters(cell: CellFacts) -> str:
    """The text that AUTOMATIC1111 writes into a picture's `parameters` and reads back from it.

    Its noise comes from the processor there only with the setting "Random number generator source: CPU",
    which is said in the text (`RNG: CPU`). It finds learned words in the LoRA files; where not,
    `Learned words` says so.
    """
    how, words = cell.how, cell.words
    tags = " ".join(each.tag for each in cell.adapters)
    told = {
        "Steps": str(how.steps),
        "Sampler": _A1111[how.sampler],
        "CFG scale": f"{how.cfg:g}",
        "Seed": str(cell.seed),
        "Size": f"{how.width}x{how.height}",
        "Model": cell.base,
    }
    if is_distilled(cell.family):
        # As Forge writes it, which renders FLUX.1 where AUTOMATIC1111 does not.
        told |= {"CFG scale": f"{how.true_cfg:g}", "Distilled CFG Scale": f"{how.cfg:g}"}
    if cell.base_digest:
        told["Model hash"] = cell.base_digest[:10]
    if how.clip_skip != 1:
        told["Clip skip"] = str(how.clip_skip)
    if how.hires is not None:
        told |= _a1111_hires(how.hires)
    if cell.adapters:
        hashes = ", ".join(f"{each.stem}: {each.sha256[:12]}" for each in cell.adapters)
        told["Lora hashes"] = json.dumps(hashes, ensure_ascii=False)
    told["RNG"] = "CPU"
    if notes := a1111_notes(cell.family, cell.brought, words):
        told["Learned words"] = json.dumps("; ".join(notes), ensure_ascii=False)
    lines = [" ".join(part for part in (a1111_text(cell.prompt, words), tags) if part)]
    if how.negative:
        lines.append(f"Negative prompt: {a1111_text(how.negative, words)}")
    lines.append(", ".join(f"{name}: {value}" for name, value in told.items()))
    return "\n".join(lines)


def _taken(hires: Hires) -> int:
    """The steps that the second pass takes: the last ones, where the others count all that they name."""
    return max(1, int(hires.steps * hires.strength))


def _a1111_hires(hires: Hires) -> dict[str, str]:
    return {
        "Denoising strength": f"{hires.strength:g}",
        "Hires upscale": f"{hires.scale:g}",
        "Hires steps": str(_taken(hires)),
        "Hires upscaler": "Lanczos",
    }


def comfyui_workflow(cell: CellFacts) -> dict[str, Any]:
    """The graph in ComfyUI's API format, which its window opens too; only nodes that ComfyUI comes with.

    Blocks of LoRA Block Weight need a node of their own and are not said there. Learned words are files of
    their own there: the prompts name them, and the notes in `_meta`, which ComfyUI passes over, what to put
    into them.
    """
    how, words = cell.how, cell.words
    graph: dict[str, Any] = {
        "1": _node("CheckpointLoaderSimple", cell.base, ckpt_name=f"{cell.base}.safetensors"),
    }
    model: list[Any] = ["1", 0]
    clip: list[Any] = ["1", 1]
    for number, each in enumerate(cell.adapters, start=10):
        graph[str(number)] = _node(
            "LoraLoader",
            each.stem,
            lora_name=each.file,
            strength_model=each.unet,
            strength_clip=each.text_encoder,
            model=model,
            clip=clip,
        )
        model, clip = [str(number), 0], [str(number), 1]
    if how.clip_skip != 1:
        graph["5"] = _node("CLIPSetLastLayer", "Clip skip", stop_at_clip_layer=-how.clip_skip, clip=clip)
        clip = ["5", 0]
    sampler, scheduler = _COMFY[how.sampler]
    graph["2"] = _node(
        "CLIPTextEncode", "Prompt", text=comfyui_text(cell.prompt, cell.family, words), clip=clip
    )
    graph["3"] = _node(
        "CLIPTextEncode", "Negative prompt", text=comfyui_text(how.negative, cell.family, words), clip=clip
    )
    if words:
        graph["2"]["_meta"] |= {
            "title": "Prompt, with embeddings to be made",
            "notes": comfyui_notes(cell.family, words),
        }
    latent = "EmptySD3LatentImage" if cell.family in _SIXTEEN else "EmptyLatentImage"
    graph["4"] = _node(latent, "Size", width=how.width, height=how.height, batch_size=1)
    positive: list[Any] = ["2", 0]
    negative: list[Any] = ["3", 0]
    cfg = how.cfg
    if is_distilled(cell.family):
        # The guidance is distilled into the model, and given with both texts; the sampler's own is the true
        # one, and 1 leaves the negative prompt out.
        graph["9"] = _node("FluxGuidance", "Guidance", guidance=how.cfg, conditioning=["2", 0])
        graph["24"] = _node("FluxGuidance", "Guidance", guidance=how.cfg, conditioning=["3", 0])
        positive, negative, cfg = ["9", 0], ["24", 0], how.true_cfg
    common = {
        "seed": cell.seed,
        "cfg": cfg,
        "sampler_name": sampler,
        "scheduler": scheduler,
        "model": model,
        "positive": positive,
        "negative": negative,
    }
    graph["6"] = _node("KSampler", "Sampler", steps=how.steps, denoise=1.0, latent_image=["4", 0], **common)
    last = "6"
    if how.hires is not None:
        # The picture is enlarged, not its latents.
        graph["22"] = _node("VAEDecode", "First pass", samples=["6", 0], vae=["1", 2])
        graph["23"] = _node(
            "ImageScaleBy", "Larger", upscale_method="bicubic", scale_by=how.hires.scale, image=["22", 0]
        )
        graph["20"] = _node("VAEEncode", "Encode", pixels=["23", 0], vae=["1", 2])
        graph["21"] = _node(
            "KSampler",
            "Second pass",
            steps=_taken(how.hires),
            denoise=how.hires.strength,
            latent_image=["20", 0],
            **common,
        )
        last = "21"
    graph["7"] = _node("VAEDecode", "Decode", samples=[last, 0], vae=["1", 2])
    graph["8"] = _node("SaveImage", "Save", filename_prefix="kura", images=["7", 0])
    return graph


def _node(kind: str, title: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}


def diffusers_script(cell: CellFacts) -> str:
    """A script that makes the picture with diffusers; `BASE` and the files are to be put in place.

    diffusers reads plain LoRA files; what it would render differently (docs/sheets.md) is said in a comment.
    """
    how, words = cell.how, cell.words
    scheduler, options = _SCHEDULERS[how.sampler]
    lines = [
        "import torch",
        f"from diffusers import DiffusionPipeline, {scheduler}",
        *(
            ("from safetensors import safe_open", "from safetensors.torch import save_file")
            if cell.brought
            else ()
        ),
        "",
        f"BASE = {cell.base!r}  # a diffusers folder or a repository of the Hub",
        "",
        "pipe = DiffusionPipeline.from_pretrained(BASE)",
        f"pipe.scheduler = {scheduler}.from_config(pipe.scheduler.config{f', {options}' if options else ''})",
    ]
    part = "transformer" if cell.family in _SIXTEEN else "unet"
    for number, each in enumerate(cell.adapters):
        file = each.file
        if each.words:
            file = f"a{number}.safetensors"
            lines += diffusers_lines(file, each.file, cell.family, each.words, words)
        lines.append(f"pipe.load_lora_weights({file!r}, adapter_name={f'a{number}'!r})  # {each.sha256}")
        if each.blocks:
            lines.append(f"# LoRA Block Weight lbw={each.blocks} has no counterpart in diffusers.")
    if cell.adapters:
        names = [f"a{number}" for number in range(len(cell.adapters))]
        weights = [
            each.unet
            if each.unet == each.text_encoder
            else {part: each.unet, "text_encoder": each.text_encoder}
            for each in cell.adapters
        ]
        lines.append(f"pipe.set_adapters({names!r}, {weights!r})")
    # An empty negative prompt is said, too: without one diffusers takes zeros for SDXL.
    arguments = {
        "prompt": diffusers_text(cell.prompt, cell.family, words),
        "negative_prompt": diffusers_text(how.negative, cell.family, words),
        "num_inference_steps": how.steps,
        "guidance_scale": how.cfg,
        "width": how.width,
        "height": how.height,
    }
    if how.clip_skip != 1:
        # diffusers counts the layers that are left out.
        arguments["clip_skip"] = how.clip_skip - 1
    if how.true_cfg != 1:
        arguments["true_cfg_scale"] = how.true_cfg
    elif is_distilled(cell.family):
        del arguments["negative_prompt"]
    for name, text in (("prompt", cell.prompt), ("negative_prompt", how.negative)):
        # A word that only one of two text encoders knows is text for the other.
        second = diffusers_text(text, cell.family, words, "_2")
        if cell.family in TWO_ENCODERS and name in arguments and second != arguments[name]:
            arguments[f"{name}_2"] = second
    lines += ["", "image = pipe("]
    lines += [f"    {name}={value!r}," for name, value in arguments.items()]
    lines += [f'    generator=torch.Generator("cpu").manual_seed({cell.seed}),', ").images[0]"]
    if how.hires is not None:
        lines.append(
            f"# Then a second pass: {how.hires.scale:g} times the size, strength {how.hires.strength:g}, "
            f"{how.hires.steps} steps (an image-to-image pipeline)."
        )
    lines.append('image.save("cell.png")')
    return "\n".join(lines) + "\n"


def export(cell: CellFacts, kind: str) -> str:
    """The cell as text in one of FORMATS. Raises KeyError for another."""
    if kind == "comfyui":
        return json.dumps(comfyui_workflow(cell), indent=2, ensure_ascii=False)
    return {"a1111": a1111_parameters, "diffusers": diffusers_script}[kind](cell)
