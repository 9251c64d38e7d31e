"""Every English text of the training scorecard, by its code: labels, reasons, values and ranges.

The texts are the message ids of the pages' translations: `%(name)s` stands for one of a line's `numbers`.
"""

from __future__ import annotations

from registry.messages import gettext_noop

LABELS: dict[str, str] = {
    "image_count": gettext_noop("Images"),
    "steps": gettext_noop("Steps"),
    "learning_rate": gettext_noop("Learning rate"),
    "text_encoder_learning_rate": gettext_noop("Learning rate of the text encoder"),
    "resolution": gettext_noop("Resolution"),
    "caption_variety": gettext_noop("Variety of captions"),
    "exposures": gettext_noop("Views of each image"),
    "rank_and_data": gettext_noop("Rank for the data"),
    "regularization": gettext_noop("Regularization images"),
    "base_checkpoint": gettext_noop("Base checkpoint"),
    "age": gettext_noop("Age"),
    "update_rhythm": gettext_noop("Updates"),
}
REASONS: dict[str, str] = {
    "image_count": gettext_noop(
        "Too few images are learned by heart; many uneven ones blur what they have in common."
    ),
    "steps": gettext_noop(
        "Too few steps leave the subject unlearned; too many copy the images and stiffen every prompt."
    ),
    "learning_rate": gettext_noop("Too high a rate burns the images in; too low a one teaches nothing."),
    "text_encoder_learning_rate": gettext_noop(
        "A text encoder that learns too fast forgets what words mean."
    ),
    "resolution": gettext_noop("Far below the base's own size details are lost; far above it shapes repeat."),
    "caption_variety": gettext_noop(
        "What captions describe stays free to change; what all of them say does not."
    ),
    "exposures": gettext_noop("How often each image was seen tells a learned subject from memorized images."),
    "rank_and_data": gettext_noop(
        "A high rank has room to memorize a few images instead of learning what they share."
    ),
    "regularization": gettext_noop(
        "Images of the plain class keep the base's idea of it; a style does well without."
    ),
    "base_checkpoint": gettext_noop("An adapter works best on the checkpoint that it was trained on."),
    "age": gettext_noop("Programs and favored checkpoints move on; an old adapter may need its old base."),
    "update_rhythm": gettext_noop(
        "An author who still answers and improves can be asked when something fails."
    ),
}
NOT_STATED = gettext_noop("not stated")
NO_RANGE = gettext_noop("no usual range")
VALUES: dict[str, str] = {
    "images": gettext_noop("%(images)s"),
    "images_per_epoch": gettext_noop("%(images)s per epoch, repeats included"),
    "steps": gettext_noop("%(steps)s"),
    "steps_of_batch": gettext_noop("%(steps)s of %(batch)s images each"),
    "rate": gettext_noop("%(rate)s"),
    "rate_with": gettext_noop("%(rate)s with %(optimizer)s"),
    "encoder_rate": gettext_noop("%(encoder_rate)s"),
    "not_trained": gettext_noop("not trained"),
    "size": gettext_noop("%(width)s × %(height)s"),
    "captions": gettext_noop(
        "%(per_image)s different tags per image, %(constant)s %% of a caption always the same"
    ),
    "captions_only": gettext_noop("%(tags)s different tags"),
    "times": gettext_noop("%(times)s times"),
    "rank_and_images": gettext_noop("rank %(rank)s, %(images)s images"),
    "none": gettext_noop("none"),
    "checkpoint": gettext_noop("%(name)s, with its hash"),
    "checkpoint_name": gettext_noop("%(name)s, without a hash"),
    "checkpoint_hash": gettext_noop("a hash without a name"),
    "trained": gettext_noop("trained on %(date)s, %(days)s days ago"),
    "published": gettext_noop("published on %(date)s, %(days)s days ago"),
    "future": gettext_noop("trained on %(date)s, which is yet to come"),
    "one_version": gettext_noop("1 version, on %(date)s"),
    "versions": gettext_noop("%(versions)s versions, %(between)s days apart, the last on %(date)s"),
}
RANGES: dict[str, str] = {
    "images_style": gettext_noop("15 to 30 for a style"),
    "images_character": gettext_noop("30 to 80 for a character"),
    "images_either": gettext_noop("15 to 30 for a style, 30 to 80 for a character"),
    "steps": gettext_noop("1500 to 3000 up to rank 32"),
    "steps_higher_rank": gettext_noop("1500 to 3000 holds up to rank 32; this one has rank %(rank)s"),
    "rate": gettext_noop("%(low)s to %(high)s"),
    "rate_adaptive": gettext_noop("0.5 to 1: the optimizer finds the rate itself"),
    "rate_self": gettext_noop("the optimizer decides"),
    "rate_encoder": gettext_noop("above 0 and at most the denoiser's %(rate)s"),
    "size": gettext_noop("about %(low)s pixels a side"),
    "sizes": gettext_noop("%(low)s to %(high)s pixels a side"),
    "captions": gettext_noop("at least 1 different tag per image, at most half of a caption always the same"),
    "times": gettext_noop("20 to 200"),
    "rank_and_images": gettext_noop("rank 64 or less below 30 images"),
    "regularization": gettext_noop("optional"),
    "checkpoint": gettext_noop("named, with its hash"),
    "age": gettext_noop("2 years or less"),
    "update_rhythm": gettext_noop("the last within a year"),
}


def every_text() -> frozenset[str]:
    """All message ids, for the test that the pages can translate each."""
    tables = (LABELS, REASONS, VALUES, RANGES)
    return frozenset({NOT_STATED, NO_RANGE, *(text for table in tables for text in table.values())})
