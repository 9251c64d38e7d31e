"""Errors of reading weights: one class per cause, named as the official safetensors reader sees it."""

from __future__ import annotations

from registry.errors import KuraError


class WeightsError(KuraError):
    """Base of everything that can be wrong with an adapter file."""

    code = "weights_error"
    next_step = "Get the file again from where it was published."


class Unreadable(WeightsError):
    """The path does not exist, is a folder, or may not be read."""

    code = "unreadable"
    next_step = "Check the path and its permissions."


class IsAFolder(Unreadable):
    """One file was asked for and a folder was named."""

    code = "is_a_folder"
    next_step = "Name the files inside it, or ingest the folder."


class MisleadingName(WeightsError):
    """The file's name holds a path, control characters or signs that reverse the direction of writing."""

    code = "misleading_name"
    next_step = "Rename the file, then try again."


class ContainerError(WeightsError):
    """Base of every reason why the bytes are not one valid safetensors file."""

    code = "not_safetensors"
    next_step = "Get the file again from where it was published, or ask its author for a safetensors export."


class EmptyFile(ContainerError):
    """The file holds no bytes at all."""

    code = "empty_file"


class PickleFile(ContainerError):
    """The bytes are a Python pickle; loading one runs whatever it says."""

    code = "pickle_file"
    next_step = "It is never unpickled here; ask the author for a safetensors export."


class ZipFile(ContainerError):
    """The bytes are a zip archive (a torch checkpoint is one, with a pickle inside)."""

    code = "zip_file"
    next_step = "It is never unpickled here; ask the author for a safetensors export."


class GzipFile(ContainerError):
    """The bytes are gzip-compressed."""

    code = "gzip_file"
    next_step = "Unpack it, then try again."


class HtmlPage(ContainerError):
    """A web page was saved under the name of a weights file."""

    code = "html_page"
    next_step = "The download failed, often for want of a sign-in; download it again."


class LfsPointer(ContainerError):
    """A Git LFS pointer stands where the weights should be."""

    code = "git_lfs_pointer"
    next_step = "Run git lfs pull, or download the file itself."


class GgufFile(ContainerError):
    """The bytes are a GGUF model."""

    code = "gguf_file"
    next_step = "Only safetensors adapters can be read."


class HeaderTooSmall(ContainerError):
    """Fewer than the 8 bytes that hold the header's length."""

    code = "header_too_small"


class HeaderTooLarge(ContainerError):
    """The header's length is over the format's limit of 100,000,000 bytes."""

    code = "header_too_large"


class HeaderOverLimit(ContainerError):
    """The header is within the format's limit, but over the one set here."""

    code = "header_over_limit"
    next_step = "No adapter needs a header this long; raise the limit only for a file you trust."


class HeaderPastEnd(ContainerError):
    """The header is said to end after the file does."""

    code = "header_past_end"


class HeaderNotUtf8(ContainerError):
    """The header is not UTF-8 text."""

    code = "header_not_utf8"


class HeaderNotJson(ContainerError):
    """The header is not JSON as the format's reader accepts it."""

    code = "header_not_json"


class HeaderTooDeep(ContainerError):
    """The header's JSON is nested deeper than the format's reader follows."""

    code = "header_too_deep"


class HeaderNotAnObject(ContainerError):
    """The header is JSON, but not an object."""

    code = "header_not_an_object"


class MetadataNotText(ContainerError):
    """`__metadata__` is not a flat object of strings."""

    code = "metadata_not_text"


class MetadataTwice(ContainerError):
    """`__metadata__` is given more than once."""

    code = "metadata_twice"


class TensorEntryMalformed(ContainerError):
    """A tensor's entry is not an object with dtype, shape and data_offsets."""

    code = "tensor_entry_malformed"


class TensorFieldTwice(ContainerError):
    """A tensor's entry names one field twice."""

    code = "tensor_field_twice"


class UnknownDtype(ContainerError):
    """A tensor's dtype is none of the format's."""

    code = "unknown_dtype"


class BadShape(ContainerError):
    """A tensor's shape is not a list of whole numbers."""

    code = "bad_shape"


class BadOffsets(ContainerError):
    """A tensor's data_offsets are not a pair of whole numbers."""

    code = "bad_offsets"


class OffsetsOutOfOrder(ContainerError):
    """A tensor ends before it begins."""

    code = "offsets_out_of_order"


class HoleInData(ContainerError):
    """Bytes between two tensors belong to none."""

    code = "hole_in_data"


class TensorsOverlap(ContainerError):
    """Two tensors claim the same bytes."""

    code = "tensors_overlap"


class SizeOverflow(ContainerError):
    """A shape multiplies to more than any machine can address."""

    code = "size_overflow"


class NotWholeBytes(ContainerError):
    """A tensor of 4-bit or 6-bit numbers does not end on a byte."""

    code = "not_whole_bytes"


class TensorSizeMismatch(ContainerError):
    """A tensor's byte range is not what its dtype and shape need."""

    code = "tensor_size_mismatch"


class Truncated(ContainerError):
    """The header is whole, and the file ends before the data it promises."""

    code = "truncated"
    next_step = "The download or upload was cut short; get the file again."


class TrailingBytes(ContainerError):
    """Bytes follow the last tensor."""

    code = "trailing_bytes"


class TensorReadError(WeightsError):
    """A tensor was asked for that the file does not hold or whose dtype has no numbers here."""

    code = "tensor_unreadable"


class UnmatchedKeys(WeightsError):
    """Some keys belong to no layer of a known model; a picture made without them would be a lie."""

    code = "unmatched_keys"
    next_step = "Convert the file to a known dialect, or report its trainer."


class BadBlockWeights(WeightsError):
    """Block weights that fit no layout of LoRA Block Weight, or not this family's."""

    code = "bad_block_weights"
    next_step = "Give a preset's name, or as many numbers as a layout of the family has."


class NothingToSketch(WeightsError):
    """No module of the adapter changes anything that a lineage sketch can hold."""

    code = "nothing_to_sketch"
    next_step = "The file can be kept; its kin cannot be found from its weights."


class IncompleteModule(WeightsError):
    """A module lacks one of the factors that its algorithm needs."""

    code = "incomplete_module"


class ModuleTooLarge(WeightsError):
    """A module holds more numbers than any layer of a known model."""

    code = "module_too_large"


class UnsupportedChange(WeightsError):
    """The change that a module makes to its layer cannot be told from its tensors alone."""

    code = "unsupported_change"
    next_step = "Statistics leave this module out; the rest of the file is read."


class NoModules(WeightsError):
    """The file holds nothing that changes a layer of a model."""

    code = "no_modules"
    next_step = "Name an adapter file; manage.py inspect says what this one is."


class BaseNormsUnreadable(WeightsError):
    """The file with the norms of a base model is not what manage.py statistics --norms writes."""

    code = "base_norms_unreadable"
    next_step = "Write it anew with manage.py statistics --norms BASE_FILE."


class DifferentFamilies(WeightsError):
    """The adapters were made for base models of different families, so their layers are not the same."""

    code = "different_families"
    next_step = "Compare or stack adapters of one family; manage.py inspect says which each is for."
