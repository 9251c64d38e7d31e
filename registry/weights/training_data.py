"""What a file's metadata says of the pictures it was trained on: folders, data sets, tags, captions, sizes.

Shapes as kohya-ss/sd-scripts `train_network.py` writes them: `ss_dataset_dirs` {folder: {n_repeats,
img_count}}, `ss_tag_frequency` {folder: {tag: count}}, `ss_datasets` [{resolution, subsets: [...]}],
`ss_bucket_info` {buckets: {n: {resolution, count}}}. `ss_num_train_images` counts every picture once per
repeat. Regularization folders stand in `ss_tag_frequency` too and are left out here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .metadata_values import flag_of, json_of, mapping_of, number_of, printable, size_of

_MOST_FOLDERS = 50
# Enough for every tag of a usual set; what is not shown as a word stays readable here.
_MOST_TAGS = 500
_MOST_DATASETS = 20
_LONGEST_TAG = 200
# A folder that says nothing of its images may still be counted by its tags, up to this many of them.
_MOST_COUNTED = 1_000_000


@dataclass(slots=True)
class Folder:
    """One folder of pictures: `name` as on disk, `concept` after the repeats, what is known of the rest."""

    name: str
    concept: str = ""
    repeats: int | None = None
    images: int | None = None
    prefix: str = ""
    tags: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {"concept": self.concept, "repeats": self.repeats, "images": self.images}
        return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The folders of a training, without those for regularization, and the data sets they belong to."""

    folders: list[Folder]
    regularization: frozenset[str]
    datasets: list[Mapping[str, Any]]

    @property
    def tags(self) -> Counter[str]:
        """Tag -> count over all folders."""
        counts: Counter[str] = Counter()
        for folder in self.folders:
            counts.update(folder.tags)
        return counts

    @property
    def distinct_images(self) -> int | None:
        """How many different pictures there were, where every folder says."""
        stated = [folder.images for folder in self.folders]
        return sum(n for n in stated if n is not None) if stated and None not in stated else None


def read_data(metadata: Mapping[str, str]) -> TrainingData:
    """Everything that the metadata says of the pictures; empty where it says nothing."""
    datasets: list[Mapping[str, Any]] = _dicts(json_of(metadata.get("ss_datasets")))
    tags = mapping_of(metadata.get("ss_tag_frequency"))
    subsets = list(_subsets(datasets))
    regularization = {str(name) for name in mapping_of(metadata.get("ss_reg_dataset_dirs"))}
    regularization |= {_directory(subset) for subset in subsets if subset.get("is_reg") is True}
    folders: dict[str, Folder] = {}

    def folder(name: str) -> Folder | None:
        if name not in folders and (len(folders) >= _MOST_FOLDERS or name in regularization):
            return None
        return folders.setdefault(name, _named(name))

    for name, counted in tags.items():
        if (found := folder(str(name))) is not None:
            found.tags = _counts(counted)
    for name, stated in mapping_of(metadata.get("ss_dataset_dirs")).items():
        if (found := folder(str(name))) is not None and isinstance(stated, dict):
            _fill(found, stated.get("n_repeats"), stated.get("img_count"))
    for subset in subsets:
        directory = _directory(subset)
        if subset.get("is_reg") is not True and directory and (found := folder(directory)) is not None:
            _fill(found, subset.get("num_repeats"), subset.get("img_count"))
            _describe(found, subset)
    for dataset in datasets:
        # musubi-tuner's data sets are one folder each.
        if "subsets" not in dataset and (found := folder(_directory(dataset))) is not None:
            _fill(found, dataset.get("num_repeats"), None)
    for concept in _dicts(mapping_of(metadata.get("ot_config")).get("concepts")):
        _one_trainer(concept, folder)
    repeated = metadata.get("ss_num_train_images", metadata.get("ss_num_train_items"))
    _count_single(list(folders.values()), number_of(repeated))
    return TrainingData(list(folders.values()), frozenset(regularization), datasets[:_MOST_DATASETS])


def data_facts(metadata: Mapping[str, str], data: TrainingData) -> dict[str, Any]:
    """The part of the `training` object that is about the pictures; only what is stated."""
    facts: dict[str, Any] = {
        "folders": [folder.as_dict() for folder in data.folders if folder.concept],
        "distinct_images": data.distinct_images,
        "datasets": [_dataset(one) for one in data.datasets],
        "buckets": _buckets(metadata, data.datasets),
        "captions": _captions(metadata, data.datasets),
    }
    if tags := data.tags:
        facts["top_tags"] = [{"tag": tag, "count": count} for tag, count in tags.most_common(_MOST_TAGS)]
        facts["distinct_tags"] = len(tags)
        facts["tag_uses"] = min(sum(tags.values()), 2**53)
    return {name: value for name, value in facts.items() if value not in (None, [], {})}


def _named(name: str) -> Folder:
    """A folder named `<repeats>_<concept>`, as sd-scripts reads it; any other name states no concept."""
    repeats, underscore, concept = name.partition("_")
    kept = printable(name, _LONGEST_TAG)
    if underscore and repeats.isdecimal() and repeats.isascii():
        # sd-scripts numbers a folder that is used twice.
        concept = concept.rpartition(" (")[0] if concept.endswith(")") and " (" in concept else concept
        return Folder(kept, printable(concept, _LONGEST_TAG), int(repeats[:9]))
    return Folder(kept)


def _fill(folder: Folder, repeats: Any, images: Any) -> None:
    if (count := _count(repeats)) is not None:
        folder.repeats = count
    if (count := _count(images)) is not None:
        folder.images = count


def _describe(folder: Folder, subset: Mapping[str, Any]) -> None:
    words = subset.get("class_tokens")
    if not folder.concept and isinstance(words, str):
        folder.concept = printable(words, _LONGEST_TAG)
    prefix = subset.get("caption_prefix")
    if isinstance(prefix, str):
        folder.prefix = printable(prefix, _LONGEST_TAG)


def _one_trainer(concept: Mapping[str, Any], folder: Callable[[str], Folder | None]) -> None:
    name = (
        concept.get("name")
        or str(concept.get("path") or "").replace("\\", "/").rstrip("/").rpartition("/")[2]
    )
    if concept.get("type") in ("VALIDATION", "PRIOR_PREDICTION") or concept.get("enabled") is False:
        return
    if not isinstance(name, str) or not name or (found := folder(name)) is None:
        return
    found.concept = found.concept or found.name
    statistics = concept.get("concept_stats")
    images = statistics.get("image_count") if isinstance(statistics, dict) else None
    balancing = (
        concept.get("balancing") if concept.get("balancing_strategy", "REPEATS") == "REPEATS" else None
    )
    _fill(found, balancing, images)


def _count_single(folders: list[Folder], repeated: int | float | None) -> None:
    """With one folder, its pictures are those of an epoch divided by its repeats."""
    if len(folders) != 1 or folders[0].images is not None or not folders[0].repeats or not repeated:
        return
    images = repeated / folders[0].repeats
    if images.is_integer() and 0 < images < _MOST_COUNTED:
        folders[0].images = int(images)


def _counts(tags: Any) -> Counter[str]:
    """Tag -> count; whatever is no count of a tag is left out."""
    counts: Counter[str] = Counter()
    for tag, count in tags.items() if isinstance(tags, dict) else ():
        if type(count) is int and 0 < count < 2**53:
            name = (
                tag.strip()
                if tag.isprintable() and len(tag) <= _LONGEST_TAG
                else printable(tag, _LONGEST_TAG)
            )
            if name:
                counts[name] += count
    return counts


def _dataset(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """One data set of `ss_datasets`, without its tags (they stand under `top_tags`)."""
    subsets = [
        _stated(
            folder=_directory(subset),
            repeats=_count(subset.get("num_repeats")),
            images=_count(subset.get("img_count")),
            regularization=subset.get("is_reg") is True or None,
            flipped=flag_of(subset.get("flip_aug")) or None,
            shuffled=flag_of(subset.get("shuffle_caption")),
            keep_tokens=_count(subset.get("keep_tokens")),
        )
        for subset in _subsets([dataset])
    ]
    return _stated(
        resolution=size_of(dataset.get("resolution")),
        batch_size=_count(dataset.get("batch_size_per_device")),
        images=_count(dataset.get("num_train_images")),
        regularization_images=_count(dataset.get("num_reg_images")) or None,
        repeats=_count(dataset.get("num_repeats")),
        folder=_directory(dataset),
        subsets=subsets[:_MOST_DATASETS],
    )


def _buckets(metadata: Mapping[str, str], datasets: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Aspect ratio buckets: whether used, the allowed sides in pixels, and how many sizes came about."""
    first: Mapping[str, Any] = datasets[0] if datasets else {}
    information = json_of(metadata.get("ss_bucket_info")) or first.get("bucket_info")
    used = information.get("buckets") if isinstance(information, dict) else None
    return _stated(
        enabled=flag_of(metadata.get("ss_enable_bucket", first.get("enable_bucket"))),
        smallest=number_of(metadata.get("ss_min_bucket_reso", first.get("min_bucket_reso"))),
        largest=number_of(metadata.get("ss_max_bucket_reso", first.get("max_bucket_reso"))),
        sizes=len(used) if isinstance(used, dict) else None,
    )


def _captions(metadata: Mapping[str, str], datasets: list[Mapping[str, Any]]) -> dict[str, Any]:
    subsets = list(_subsets(datasets))
    first: Mapping[str, Any] = subsets[0] if subsets else {}
    return _stated(
        shuffled=flag_of(metadata.get("ss_shuffle_caption", first.get("shuffle_caption"))),
        keep_tokens=_count(number_of(metadata.get("ss_keep_tokens", first.get("keep_tokens")))),
        dropout_rate=number_of(metadata.get("ss_caption_dropout_rate")) or None,
        tag_dropout_rate=number_of(metadata.get("ss_caption_tag_dropout_rate")) or None,
    )


def _subsets(datasets: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for dataset in datasets:
        yield from _dicts(dataset.get("subsets"))


def _directory(subset: Mapping[str, Any]) -> str:
    named = (subset.get(key) for key in ("image_dir", "metadata_file", "image_directory", "image_jsonl_file"))
    found = next((name for name in named if isinstance(name, str) and name), "")
    return printable(found.replace("\\", "/").rpartition("/")[2], _LONGEST_TAG)


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _count(value: Any) -> int | None:
    """A count of things; 1e400 or -1 or "many" is none."""
    number = number_of(value)
    return int(number) if number is not None and 0 <= number < 2**53 else None


def _stated(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}
