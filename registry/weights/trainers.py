"""Which program wrote a file, of which version, and by which training method.

Signatures: ostris/ai-toolkit (`software`), Nerogar/OneTrainer (`ot_*`), kohya-ss/sd-scripts and musubi-tuner
(`ss_network_module`), LyCORIS (modules `lycoris.*`), bghira/SimpleTuner (`global_step`), cloneofsimo/lora
(`unet:0:rank`), huggingface/diffusers (`lora_adapter_metadata`). kohya_ss GUI and FluxGym run sd-scripts and
leave no mark of their own; neither does diffusion-pipe, whose files carry no metadata at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .metadata_values import flag_of, json_of, mapping_of, text_of

# Architectures that musubi-tuner trains and sd-scripts does not.
_MUSUBI = re.compile(
    r"hunyuan_video|hunyuan_video_1_5|wan|framepack|flux_kontext|flux_2_.*|qwen_image.*|kandinsky5|z_image"
    r"|hidream_o1_image|ideogram4|krea2"
)
_MUSUBI_MODULES = re.compile(
    r"networks\.lo(ra|ha|kr)_(wan|framepack|flux_2|flux_kontext|qwen_image|zimage|kandinsky5?|hidream_o1|hv_1_5"
    r"|ideogram4|krea2)"
)
# `LoRAProAdamW` is one, `lora_prodigy` none.
_LORA_PRO = re.compile(r"(?i:lora[-_ ]?pro)(?![a-z])")


def trainer_of(metadata: Mapping[str, str]) -> str | None:
    """The program that wrote the file, or None where nothing tells."""
    software = json_of(metadata.get("software"))
    if isinstance(software, dict) and isinstance(software.get("name"), str):
        return text_of(software["name"], 80)
    if any(key.startswith("ot_") for key in metadata):
        return "OneTrainer"
    module = (text_of(metadata.get("ss_network_module"), 200) or "").lower()
    if module.startswith(("lycoris.", "locon.")):
        return "sd-scripts with LyCORIS"
    base = (text_of(metadata.get("ss_base_model_version"), 200) or "").lower()
    if _MUSUBI_MODULES.match(module) or "ss_num_train_items" in metadata:
        return "musubi-tuner"
    if module.startswith("networks."):
        return "musubi-tuner" if _MUSUBI.fullmatch(base) else "sd-scripts"
    if "global_step" in metadata and "modelspec.sai_model_spec" in metadata:
        return "SimpleTuner"
    if "unet:0:rank" in metadata or "text_encoder:0:rank" in metadata:
        return "cloneofsimo/lora"
    if metadata.get("modelspec.implementation_version", "").startswith("sd-scripts/"):
        return "sd-scripts"
    return "diffusers" if "lora_adapter_metadata" in metadata else None


def trainer_version(metadata: Mapping[str, str]) -> str | None:
    """The version or commit of that program, where it says."""
    software = mapping_of(metadata.get("software"))
    if isinstance(version := software.get("version"), str):
        return text_of(version, 80)
    if (revision := text_of(metadata.get("ot_revision"), 80)) is not None:
        branch = text_of(metadata.get("ot_branch"), 80)
        return f"{branch} {revision}" if branch else revision
    implementation = text_of(metadata.get("modelspec.implementation_version"), 120) or ""
    commit = text_of(metadata.get("ss_sd_scripts_commit_hash"), 80)
    return commit or implementation.partition("sd-scripts/")[2] or None


def methods_of(metadata: Mapping[str, str]) -> list[str]:
    """Methods that change how the factors were trained and that the tensors alone do not show.

    DyLoRA, LoRA-FA, LoRA+, LoRA-Pro and rsLoRA are saved as plain LoRA; DoRA is named where it is stated.
    """
    module = (text_of(metadata.get("ss_network_module"), 200) or "").lower()
    arguments = mapping_of(metadata.get("ss_network_args"))
    config = mapping_of(metadata.get("ot_config"))
    adapters = mapping_of(metadata.get("lora_adapter_metadata"))

    def on(*names: str) -> bool:
        return any(flag_of(arguments.get(name)) is True for name in names)

    def peft(name: str) -> bool:
        return any(value is True and key.rpartition(".")[2] == name for key, value in adapters.items())

    pro = (metadata.get("ss_optimizer"), module, metadata.get("ss_network_args"), metadata.get("software"))
    found = {
        "DyLoRA": module == "networks.dylora" or arguments.get("algo") == "dylora",
        "LoRA-FA": module == "networks.lora_fa",
        "LoRA+": any(str(name).startswith("loraplus_") for name in arguments),
        "LoRA-Pro": any(_LORA_PRO.search(text[:5000]) for text in pro if text),
        "rsLoRA": on("rs_lora", "rank_stabilized") or peft("use_rslora"),
        "DoRA": on("dora_wd", "weight_decompose") or peft("use_dora") or config.get("lora_decompose") is True,
    }
    return [name for name, there in found.items() if there]
