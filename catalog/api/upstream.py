"""The shape of versions/ID/upstream/: how the upstream answers for a version, and what it offers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from registry.models import Availability, AvailabilityChange, OfferedFile, OfferState, Version
from registry.offers import PICTURE, announced

# No list grows without end; versions with more are shortened to the newest.
MOST = 100


class OfferSerializer(serializers.ModelSerializer[OfferedFile]):
    """A file that the upstream offers: what triage and fetching made of it, why, and the bytes spared."""

    state = serializers.ChoiceField(choices=OfferState.choices)
    sha256 = serializers.CharField(source="blob_id", allow_null=True, help_text="of the bytes stored here")
    announced = serializers.SerializerMethodField(help_text="SHA256 that the upstream announces")

    class Meta:
        model = OfferedFile
        fields = [
            "key", "name", "role", "primary", "format", "size", "requires", "state", "code", "reason",
            "saved", "sha256", "announced",
        ]  # fmt: skip

    def get_announced(self, offer: OfferedFile) -> str | None:
        """Never an identity, only something that the bytes are compared with."""
        return announced(offer).get("sha256", "").lower() or None


class UpstreamChangeSerializer(serializers.ModelSerializer[AvailabilityChange]):
    """One change of the state upstream."""

    before = serializers.ChoiceField(choices=Availability.choices)
    after = serializers.ChoiceField(choices=Availability.choices)

    class Meta:
        model = AvailabilityChange
        fields = ["before", "after", "reason", "until", "at"]


class UpstreamSerializer(serializers.Serializer[Any]):
    """What the upstream answered last and since when; absence there erases nothing here."""

    state = serializers.ChoiceField(choices=Availability.choices)
    since = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    saved = serializers.IntegerField(help_text="bytes that were not fetched")
    changes = UpstreamChangeSerializer(many=True)
    offers = OfferSerializer(many=True)


def upstream_of(version: Version) -> dict[str, Any]:
    """What UpstreamSerializer shows of the version, in two queries."""
    offers = list(version.offers.exclude(role=PICTURE).order_by("-primary", "pk")[:MOST])
    return {
        "state": version.availability,
        "since": version.availability_since,
        "until": version.availability_until,
        "reason": version.availability_reason,
        "saved": sum(offer.saved for offer in offers if offer.state == OfferState.PASSED_BY),
        "changes": version.availability_changes.all()[:MOST],
        "offers": offers,
    }
