"""Every English text of the training scorecard, by its code: labels, reasons, values and ranges.

The texts are the message ids of the pages' translations: `%(name)s` stands for one of a line's `numbers`.
"""

from __future__ import annotations

LABELS: dict[str, str] = {
    "image_count": "Images",
    "steps": "Steps",
    "learning_rate": "Learning rate",
    "text_encoder_learning_rate": "Learning rate of the text encoder",
    "resolution": "Resolution",
    "caption_variety": "Variety of captions",
    "exposures": "Views of each image",
    "rank_and_data": "Rank for the data",
    "regularization": "Regularization images",
    "base_checkpoint": "Base checkpoint",
    "age": "Age",
    "update_rhythm": "Updates",
}
REASONS: dict[str, str] = {
    "image_count": "Too few images are learned by heart; many uneven ones blur what they have in common.",
    "steps": "Too few steps leave the subject unlearned; too many copy the images and stiffen every prompt.",
    "learning_rate": "Too high a rate burns the images in; too low a one teaches nothing.",
    "text_encoder_learning_rate": "A text encoder that learns too fast forgets what words mean.",
    "resolution": "Far below the base's own size details are lost; far above it shapes repeat.",
    "caption_variety": "What captions describe stays free to change; what all of them say does not.",
    "exposures": "How often each image was seen tells a learned subject from memorized images.",
    "rank_and_data": "A high rank has room to memorize a few images instead of learning what they share.",
    "regularization": "Images of the plain class keep the base's idea of it; a style does well without.",
    "base_checkpoint": "An adapter works best on the checkpoint that it was trained on.",
    "age": "Programs and favored checkpoints move on; an old adapter may need its old base.",
    "update_rhythm": "An author who still answers and improves can be asked when something fails.",
}
NOT_STATED = "not stated"
NO_RANGE = "no usual range"
VALUES: dict[str, str] = {
    "images": "%(images)s",
    "images_per_epoch": "%(images)s per epoch, repeats included",
    "steps": "%(steps)s",
    "steps_of_batch": "%(steps)s of %(batch)s images each",
    "rate": "%(rate)s",
    "rate_with": "%(rate)s with %(optimizer)s",
    "encoder_rate": "%(encoder_rate)s",
    "not_trained": "not trained",
    "size": "%(width)s × %(height)s",
    "captions": "%(per_image)s different tags per image, %(constant)s %% of a caption always the same",
    "captions_only": "%(tags)s different tags",
    "times": "%(times)s times",
    "rank_and_images": "rank %(rank)s, %(images)s images",
    "none": "none",
    "checkpoint": "%(name)s, with its hash",
    "checkpoint_name": "%(name)s, without a hash",
    "checkpoint_hash": "a hash without a name",
    "trained": "trained on %(date)s, %(days)s days ago",
    "published": "published on %(date)s, %(days)s days ago",
    "future": "trained on %(date)s, which is yet to come",
    "one_version": "1 version, on %(date)s",
    "versions": "%(versions)s versions, %(between)s days apart, the last on %(date)s",
}
RANGES: dict[str, str] = {
    "images_style": "15 to 30 for a style",
    "images_character": "30 to 80 for a character",
    "images_either": "15 to 30 for a style, 30 to 80 for a character",
    "steps": "1500 to 3000 up to rank 32",
    "steps_higher_rank": "1500 to 3000 holds up to rank 32; this one has rank %(rank)s",
    "rate": "%(low)s to %(high)s",
    "rate_adaptive": "0.5 to 1: the optimizer finds the rate itself",
    "rate_self": "the optimizer decides",
    "rate_encoder": "above 0 and at most the denoiser's %(rate)s",
    "size": "about %(low)s pixels a side",
    "sizes": "%(low)s to %(high)s pixels a side",
    "captions": "at least 1 different tag per image, at most half of a caption always the same",
    "times": "20 to 200",
    "rank_and_images": "rank 64 or less below 30 images",
    "regularization": "optional",
    "checkpoint": "named, with its hash",
    "age": "2 years or less",
    "update_rhythm": "the last within a year",
}


def every_text() -> frozenset[str]:
    """All message ids, for the test that the pages can translate each."""
    tables = (LABELS, REASONS, VALUES, RANGES)
    return frozenset({NOT_STATED, NO_RANGE, *(text for table in tables for text in table.values())})
