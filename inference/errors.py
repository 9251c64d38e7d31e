"""Errors of inference: why a sheet is refused or fails."""

from __future__ import annotations

from registry.errors import KuraError


class SheetRefused(KuraError):
    """The adapter cannot be shown on this base: nothing was rendered and nothing will be by trying again.

    `misfits` of the file's `modules` have no place in the base or another shape there; 0 where not counted.
    """

    code = "sheet_refused"
    next_step = "Look at the reason; the file can be kept and offered all the same."

    def __init__(
        self, message: str, *, next_step: str | None = None, misfits: int = 0, modules: int = 0
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.misfits, self.modules = misfits, modules


class WrongBase(SheetRefused):
    """The adapter's weights do not fit the base: another family, or other shapes."""

    code = "wrong_base"
    next_step = "Choose a base model of the adapter's own family."


class NothingMatched(SheetRefused):
    """Not one module of the adapter exists in the base."""

    code = "nothing_matched"
    next_step = "Choose a base model of the adapter's own family."


class UnmatchedModules(SheetRefused):
    """Some modules of the adapter do not exist in the base; leaving them out would show another adapter."""

    code = "unmatched_modules"
    next_step = "Check the file with `manage.py inspect`; a sheet without these modules would not be true."


class UnsupportedAdapter(SheetRefused):
    """The engine has no formula for this algorithm."""

    code = "unsupported_adapter"
    next_step = "The file can be kept and offered; it cannot be rendered."


class NonFiniteAdapter(SheetRefused):
    """A weight of the adapter is NaN or infinite."""

    code = "non_finite_adapter"
    next_step = "The file is damaged; ask its author for another."


class BadPromptTag(SheetRefused):
    """A `<lora:...>` tag in a prompt asks for something that is not to be understood, or not done here."""

    code = "bad_prompt_tag"
    next_step = "Write <lora:name:weight>, <lora:name:te:unet> or <lora:name:weight:lbw=...>."


class NoBaseWeights(SheetRefused):
    """No base model of this family has weights to render with."""

    code = "no_base_weights"
    next_step = "Give a base model of the family its weights folder, then render again."


class BaseNotRenderable(SheetRefused):
    """The base's folder or file is missing or not a pipeline the engine knows."""

    code = "base_not_renderable"
    next_step = "Point the base model's weights at a diffusers folder or a checkpoint (docs/bases.md)."


class SamplingDoesNotFit(SheetRefused):
    """The base cannot be sampled as the recipe says: another kind of sampler, size or prompt."""

    code = "sampling_does_not_fit"
    next_step = "Change the recipe, or choose a base that it fits; docs/bases.md has the samplers."


class NoRecipe(SheetRefused):
    """No such recipe, or none for the family."""

    code = "no_recipe"
    next_step = "Take one of the recipes in docs/sheets.md."


class RecipeDoesNotFit(SheetRefused):
    """The recipe shows something that this version does not have: others to stack, an earlier version, a
    negative prompt, blocks with names.
    """

    code = "recipe_does_not_fit"
    next_step = "Name what the message asks for, or take another recipe."


class NoAdapterFile(SheetRefused):
    """The version has no stored file that can be rendered."""

    code = "no_adapter_file"
    next_step = "Ingest the version's safetensors file first."


class OutOfMemory(KuraError):
    """The device's memory does not suffice for one picture, with the rest of the base moved out of the way.

    Another worker may have more, so it is tried again.
    """

    code = "out_of_memory"
    permanent = False
    next_step = "Render on a device with more memory, end what else uses it, or take a smaller recipe."


class NotReproducible(KuraError):
    """The pictures of a sheet cannot be made again here to compare them."""

    code = "not_reproducible"
    next_step = "Render the sheet anew; pictures can only be compared with the same file on the same base."


class PicturesDiffer(KuraError):
    """Rendered again, the pictures of a sheet are others than they should be."""

    code = "pictures_differ"
    next_step = "Look at what changed since: releases, device, drivers; then render the sheet anew."


class CannotRender(KuraError):
    """This machine cannot render."""

    code = "cannot_render"
    next_step = "Do what the lines above name, then check again."


class SheetFailed(KuraError):
    """Rendering went wrong in a way that another try will not mend."""

    code = "sheet_failed"
    next_step = "Look at the worker's log."


class RestoreFailed(SheetFailed):
    """The weight-0 control differs from the base: the adapter was not taken out exactly."""

    code = "restore_failed"
    next_step = (
        "The base was dropped from memory; report this, since no sheet of this adapter can be trusted."
    )


class BrokenBase(SheetFailed):
    """The base alone gives black or non-finite pictures."""

    code = "broken_base"
    next_step = "Check the base model's weights and the precision it is loaded with."


class HandDetectorUnusable(KuraError):
    """HAND_DETECTOR names a file that is no ONNX model of the known layout, or finds no hands."""

    code = "hand_detector_unusable"
    next_step = "Export the detector to ONNX without NMS (docs/sheets.md), or unset HAND_DETECTOR."


class HandDetectorMissing(KuraError):
    """HAND_DETECTOR names a file that is not there or cannot be read."""

    code = "hand_detector_missing"
    next_step = "Put the model where HAND_DETECTOR says, on every machine that renders, or unset it."


class HandDetectorNoRuntime(KuraError):
    """HAND_DETECTOR is set, and onnxruntime, which runs the detector, is not installed."""

    code = "hand_detector_no_runtime"
    next_step = "Install it: .venv/bin/pip install -r requirements-detector.txt"
