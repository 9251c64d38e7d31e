"""Addresses of the programming interface, version 1."""

from __future__ import annotations

from django.urls import include, path, re_path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.request import Request
from rest_framework.routers import DefaultRouter
from rest_framework.views import APIView

from catalog.api.adapters import Adapters, Versions
from catalog.api.exchange import Changes, Claims, Export, SnapshotContent, Snapshots
from catalog.api.files import Aliases, Content, Files
from catalog.api.items import Conclusions, Items, Reopenings
from catalog.api.jobs import Jobs
from catalog.api.plan import Boms, Credits, Notices, Plans
from catalog.api.questions import Questions
from catalog.api.reading import BaseModels, Licenses
from catalog.api.reviews import Reviews
from catalog.api.sheets import Sheets
from catalog.api.subscriptions import Subscriptions, SyncRuns
from catalog.api.updates import Ignored, Recalls, Updates
from catalog.api.verdicts import Verdicts
from catalog.errors import NotFound


@extend_schema(exclude=True)
class Nothing(APIView):
    """An address that does not exist is answered like every other failure."""

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Before anybody is asked for a login."""
        raise NotFound(
            f"There is no address {request.path!r} here.", next_step="The schema is at /api/v1/schema/."
        )


router = DefaultRouter()
router.include_format_suffixes = False
router.register("adapters", Adapters, basename="adapter")
router.register("versions", Versions)
router.register("files", Files)
router.register("licenses", Licenses)
router.register("base-models", BaseModels, basename="base-model")
router.register("sheets", Sheets)
router.register("jobs", Jobs)
router.register("reviews", Reviews)
router.register("questions", Questions)
router.register("subscriptions", Subscriptions)
router.register("sync-runs", SyncRuns, basename="sync-run")
router.register("recalls", Recalls, basename="recall")

app_name = "api"
urlpatterns = [
    re_path("^files/(?P<sha256>[0-9a-fA-F]{64})/content$", Content.as_view(), name="file-content"),
    re_path("^files/(?P<sha256>[0-9a-fA-F]{64})/aliases/$", Aliases.as_view(), name="file-aliases"),
    path("versions/<int:pk>/items/", Items.as_view(), name="version-items"),
    path("versions/<int:pk>/items/<str:key>/", Conclusions.as_view(), name="item-conclude"),
    path("versions/<int:pk>/items/<str:key>/reopen/", Reopenings.as_view(), name="item-reopen"),
    path("versions/<int:pk>/export/", Export.as_view(), name="version-export"),
    path("versions/<int:pk>/claims/", Claims.as_view(), name="version-claims"),
    path("changes/", Changes.as_view(), name="changes"),
    path("snapshots/<int:pk>/", Snapshots.as_view(), name="snapshot"),
    path("snapshots/<int:pk>/content", SnapshotContent.as_view(), name="snapshot-content"),
    path("verdicts/", Verdicts.as_view(), name="verdicts"),
    path("updates/", Updates.as_view(), name="updates"),
    path("updates/<int:pk>/ignored/", Ignored.as_view(), name="update-ignored"),
    path("plans/", Plans.as_view(), name="plans"),
    path("plans/credit/", Credits.as_view(), name="plan-credit"),
    path("plans/notice/", Notices.as_view(), name="plan-notice"),
    path("plans/bom/", Boms.as_view(), name="plan-bom"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="api:schema"), name="docs"),
    path("", include(router.urls)),
    re_path("^.*$", Nothing.as_view()),
]
