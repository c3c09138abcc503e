"""What can go wrong while a model is added, each with a stable code and a sentence that says what to do.

Nothing is installed when one of these is raised.
"""

from typing import ClassVar


class ModelkitError(Exception):
    """Base of the errors below."""

    code: ClassVar[str] = "modelkit_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class SourceNotFound(ModelkitError):
    """There is no such repository, revision, file or folder."""

    code = "source_not_found"


class AccessDenied(ModelkitError):
    """The hub wants a token, or its licence accepted."""

    code = "access_denied"


class DownloadFailed(ModelkitError):
    """The hub could not be reached, or the connection broke. The next try resumes."""

    code = "download_failed"


class DownloadCorrupt(ModelkitError):
    """A file is not the one that the hub's digest names."""

    code = "download_corrupt"


class DiskFull(ModelkitError):
    """There is not enough disk space."""

    code = "disk_full"


class ArchiveUnsafe(ModelkitError):
    """An archive is damaged, or has members that lead out of it, are too large or are no plain files."""

    code = "archive_unsafe"


class WeightsUnsafe(ModelkitError):
    """Pickled weights hold more than tensors."""

    code = "weights_unsafe"


class FamilyUnsupported(ModelkitError):
    """The source is of no family that can be run, or of a variant of one that cannot."""

    code = "family_unsupported"


class SourceInvalid(ModelkitError):
    """The files of the source are incomplete, unreadable or contradict each other, for example a vocabulary
    of another size than the network's output."""

    code = "source_invalid"


class ConversionWrong(ModelkitError):
    """The converted model gives something else than the original."""

    code = "conversion_wrong"


class ExtraMissing(ModelkitError):
    """A package is not installed that the family needs; the message names the extra."""

    code = "extra_missing"


class NameTaken(ModelkitError):
    """Another model of that name is installed."""

    code = "name_taken"


class VerificationFailed(ModelkitError):
    """The made folder failed a check of `modelkit verify`."""

    code = "verification_failed"


class NotExportable(ModelkitError):
    """The layouts of onnx-asr and sherpa-onnx cannot hold the model."""

    code = "not_exportable"


class NotInstalled(ModelkitError):
    """There is no model of that name in the models folder."""

    code = "model_not_installed"


class IsDefault(ModelkitError):
    """The model is the default one, so it cannot be removed."""

    code = "model_is_default"
