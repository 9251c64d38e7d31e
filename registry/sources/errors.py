"""Errors of taking adapters in: one class per cause."""

from __future__ import annotations

from registry.errors import KuraError
from registry.messages import gettext_noop


class SourceError(KuraError):
    """Base of everything that can go wrong with a source."""

    code = "source_error"


class PathNotFound(SourceError):
    """The file or folder to ingest does not exist or may not be read."""

    code = "path_not_found"
    next_step = gettext_noop("Check the path and its permissions.")


class SourceNotSupported(SourceError):
    """SOURCE names an upstream that this release cannot read."""

    code = "source_not_supported"
    next_step = gettext_noop("Download the files with their sidecars into a folder and ingest that folder.")


class ReferenceUnclear(SourceError):
    """What stands for something upstream cannot be read: a mistyped number, hash or address."""

    code = "reference_unclear"
    next_step = gettext_noop("Compare it with the address of the adapter's page.")


class NoAdaptersFound(SourceError):
    """Nothing under SOURCE can be taken in."""

    code = "no_adapters_found"
    next_step = gettext_noop("Name a folder that holds .safetensors files, or one such file.")


class NotAnAdapter(SourceError):
    """The file is whole, but it is a checkpoint, a VAE or something else that Kura does not keep."""

    code = "not_an_adapter"
    next_step = gettext_noop("Only adapters are kept here; give the LoRA file itself.")


class SidecarUnreadable(SourceError):
    """A sidecar or model card is not what its name says; the adapter goes in without it."""

    code = "sidecar_unreadable"
    next_step = gettext_noop(
        "Repair or remove the file, then ingest again; the adapter was taken in without it."
    )


class SidecarTooLarge(SourceError):
    """A sidecar is larger than any real one."""

    code = "sidecar_too_large"
    next_step = gettext_noop("Remove the file, then ingest again; the adapter was taken in without it.")


class UnknownBase(SourceError):
    """--base names no base model in the table."""

    code = "unknown_base"
    next_step = gettext_noop("Use a name from the table of base models; manage.py seed fills it.")


class PictureUnreadable(SourceError):
    """A sample picture is no picture, or too large; the adapter goes in without it."""

    code = "picture_unreadable"
    next_step = gettext_noop(
        "Replace or remove the picture, then ingest again; the adapter was taken in without it."
    )
