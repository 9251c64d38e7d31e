"""Errors of the outputs: a medium or language that does not exist, a BOM that its own schema refuses."""

from __future__ import annotations

from registry.licensing.errors import LicensingError


class UnknownMedium(LicensingError):
    """The medium of a credit is not one of MEDIA."""

    code = "unknown_medium"


class UnknownLanguage(LicensingError):
    """The language of a credit is not one of LANGUAGES."""

    code = "unknown_language"


class BomInvalid(LicensingError):
    """The bill of materials breaks the schema of CycloneDX."""

    code = "bom_invalid"
    next_step = "Report it with the stack that was asked about; nothing was written."
