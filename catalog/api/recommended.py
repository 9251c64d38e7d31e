"""The shape of versions/ID/recommended/: what to set when a version is used, and who says so."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from catalog.recommended import prompt_of, read_recommended, sheet_facts
from inference.services import finished_sheets
from registry.main_files import shown_file
from registry.models import Version

STATES = ("yes", "partly", "no", "not_applicable")


class _Range(serializers.Serializer[Any]):
    min = serializers.FloatField(allow_null=True)
    default = serializers.FloatField(allow_null=True)
    max = serializers.FloatField(allow_null=True)
    count = serializers.IntegerField(help_text="statements, pictures or cells behind it")


class RecommendedWeightSerializer(_Range):
    """A weight by one source; `usual` where nobody says any."""

    source = serializers.ChoiceField(choices=["author", "pictures", "sheet", "usual"])  # type: ignore[assignment]
    wording = serializers.ListField(child=serializers.CharField(), help_text="the author's own words")
    named_by = serializers.DictField(child=serializers.IntegerField())


class RecommendedSettingSerializer(_Range):
    """The value that most of the author's pictures have, or the median with quartiles."""

    name = serializers.CharField()
    value = serializers.CharField(allow_null=True)
    of = serializers.IntegerField(help_text="pictures that tell any")


class PicturesToldSerializer(serializers.Serializer[Any]):
    """How many pictures the author shows, tell how they were made, and can be made again."""

    shown = serializers.IntegerField()
    told = serializers.IntegerField()
    reproducible = serializers.IntegerField()


class PageLineSerializer(serializers.Serializer[Any]):
    """One line of the checklist of the upstream's page."""

    code = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES)
    found = serializers.DictField()


class PageScoreSerializer(serializers.Serializer[Any]):
    """How complete the upstream's page is: the mean of the lines that apply."""

    score = serializers.FloatField()
    lines = PageLineSerializer(many=True)


class RecommendedSerializer(serializers.Serializer[Any]):
    """What to set; `prompt` is what is copied, null where no file is stored."""

    weight = RecommendedWeightSerializer()
    weights = RecommendedWeightSerializer(many=True)
    settings = RecommendedSettingSerializer(many=True)
    pictures = PicturesToldSerializer()
    page = PageScoreSerializer(allow_null=True)
    prompt = serializers.CharField(allow_null=True)


def recommended_of(version: Version) -> dict[str, Any]:
    """What RecommendedSerializer shows of the version, in two queries."""
    sheets = list(finished_sheets().filter(version=version)[:1])
    found = read_recommended(version, *sheet_facts(sheets))
    file = shown_file(version.files.select_related("blob").order_by("pk"))
    return {**found.as_dict(), "prompt": prompt_of(version, file, found.weight) if file else None}
