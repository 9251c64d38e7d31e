"""Errors of converting files: pickles, wrong names, other dialects, checkpoints."""

from __future__ import annotations

from registry.errors import KuraError


class ConverterError(KuraError):
    """Base of every reason why a file is not converted; the file given is left as it is."""

    code = "converter_error"
    next_step = "Ask its author for a safetensors export."


class PickleRefused(ConverterError):
    """The pickle asks for more than tensors, numbers and text; nothing of it was run."""

    code = "pickle_refused"
    next_step = "Ask its author for a safetensors export; a file that wants to run code is never converted."


class PickleDamaged(ConverterError):
    """The file is cut short or not whole, so it cannot be unpickled."""

    code = "pickle_damaged"
    next_step = "Get the file again from where it was published."


class PickleUnsupported(ConverterError):
    """A form that the safe reader does not read: the tar of old torch, a TorchScript program, a riddle."""

    code = "pickle_unsupported"
    next_step = "Ask its author for a safetensors export."


class NothingToConvert(ConverterError):
    """The pickle holds no tensor."""

    code = "nothing_to_convert"
    next_step = "This is no weights file; get the right one from where it was published."


class OutOfMemory(ConverterError):
    """The file needs more memory than the converter may take."""

    code = "converter_out_of_memory"
    next_step = "Real files fit; raise CONVERTER_MEMORY_MB only for a file you trust."


class OutputTooLarge(ConverterError):
    """The result would be larger than the converter may write."""

    code = "converter_output_too_large"
    next_step = "Raise CONVERTER_FILE_MB only for a file you trust."


class TimedOut(ConverterError):
    """The work took longer than the converter may take."""

    code = "converter_timed_out"
    next_step = "Raise CONVERTER_SECONDS if the file is large and trusted."


class NotInstalled(ConverterError):
    """PyTorch, which the converter needs, is not installed here."""

    code = "converter_not_installed"
    next_step = "Convert on a machine with the full installation (`make setup`), such as a worker."


class ConverterCrashed(ConverterError):
    """The converting process died without an answer; nothing was written."""

    code = "converter_crashed"
    next_step = "The file is damaged or hostile; ask its author for a safetensors export."


class NothingToRepair(ConverterError):
    """The names in the file are sound already, so there is nothing to do."""

    code = "nothing_to_repair"
    next_step = "Use the file as it is, or name another dialect with --to."


class NotConvertible(ConverterError):
    """The file cannot be written in the dialect asked for without becoming a worse one."""

    code = "not_convertible"
    next_step = "Keep the file as it is; `manage.py inspect` says what it holds."


class NotQuarantined(ConverterError):
    """No file with these bytes is in quarantine here."""

    code = "not_quarantined"
    next_step = "Name the SHA256 of a pickle that `manage.py ingest` has put into quarantine."


class NotACheckpoint(ConverterError):
    """The file or folder holds no Stable Diffusion UNet or text encoder that can be compared."""

    code = "not_a_checkpoint"
    next_step = "Name a safetensors checkpoint of SD1, SD2 or SDXL, or a diffusers folder."


class CheckpointsDiffer(ConverterError):
    """The checkpoint and its base are not of one family: their layers have other shapes."""

    code = "checkpoints_differ"
    next_step = "Name the base model that the checkpoint was made from."


class NothingToExtract(ConverterError):
    """The checkpoint does not differ from its base in any layer that a LoRA can change."""

    code = "nothing_to_extract"
    next_step = "Check that CHECKPOINT and --base are not the same model."
