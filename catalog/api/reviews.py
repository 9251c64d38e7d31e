"""reviews/: what reviewers decided, and the door through which a reviewer approves or rejects."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.lists import ListViewSet
from catalog.api.permissions import ReviewersWrite
from catalog.api.serializers import ReviewAsked, ReviewSerializer
from registry import vetting
from registry.models import Review, Version


class Reviews(RetrieveModelMixin, ListViewSet):
    """Decisions with their reasons; they are never changed, a later one follows."""

    permission_classes = [ReviewersWrite]
    queryset = Review.objects.select_related("reviewer")
    serializer_class = ReviewSerializer
    filterset_fields = ["version", "action"]

    @extend_schema(request=ReviewAsked, responses={201: ReviewSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Approve a version, or reject it with a reason."""
        assert isinstance(request.user, User)  # the permission lets nobody else in
        asked = ReviewAsked(data=request.data)
        asked.is_valid(raise_exception=True)
        version = get_object_or_404(Version, pk=asked.validated_data["version"])
        review = vetting.review(
            version, request.user, asked.validated_data["action"], asked.validated_data["reason"]
        )
        return Response(ReviewSerializer(review).data, status=201)
