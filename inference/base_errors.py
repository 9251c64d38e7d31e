"""Errors of bases that cannot be loaded: what a single file lacks, and memory that does not suffice."""

from __future__ import annotations

from inference.errors import BaseNotRenderable, SheetFailed


class PickledBase(BaseNotRenderable):
    """The base is a pickle, which can run code when it is read: no program of Kura loads one."""

    code = "pickled_base"
    next_step = (
        "Take the checkpoint's safetensors file, or save it as one (AUTOMATIC1111's checkpoint merger, "
        "ComfyUI's Save Checkpoint), then point the base at that."
    )


class QuantizedBase(BaseNotRenderable):
    """The base's numbers are not its weights: they are quantized, and adapters cannot be added to them."""

    code = "quantized_base"
    next_step = "Take the base in bfloat16, float16 or plain float8; weights_dtype says what it is loaded in."


class NoBaseLayout(BaseNotRenderable):
    """The base is a single file, and nothing says where its configurations and tokenizers come from."""

    code = "no_base_layout"
    next_step = (
        "Run `manage.py fetch_base SLUG --layout`, or set the base's weights_layout, or that of its parent, "
        "to a diffusers folder of the same architecture."
    )


class LayoutDoesNotFit(BaseNotRenderable):
    """The layout is of another architecture than the single file."""

    code = "layout_does_not_fit"
    next_step = "Set the base's weights_layout to a diffusers folder of the file's own architecture."


class BaseLacksParts(BaseNotRenderable):
    """The single file has no text encoder or VAE, and its layout has none with weights."""

    code = "base_lacks_parts"
    next_step = (
        "Run `manage.py fetch_base SLUG --layout`, which fetches what the file lacks, or set weights_layout "
        "to a whole diffusers folder."
    )


class BaseDoesNotFit(SheetFailed):
    """The base does not fit into this machine's memory, nor with most of it in main memory."""

    code = "base_does_not_fit"
    next_step = (
        "Render on a machine with more memory, end what else uses it, or set the base's weights_dtype to "
        "bfloat16."
    )
