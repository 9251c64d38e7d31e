"""The demo's catalog: its adapters, its reviewer's decisions and a login, made once and kept."""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from catalog.access import DOWNLOAD, REVIEW, create, find
from catalog.errors import TokenExpired, TokenRevoked, TokenUnknown
from catalog.search.refresh import consume
from inference.models import Sheet, SheetState
from inference.policy import plan_missing_sheets
from inference.refusals import tell_refusals
from registry.models import File, FileState, Version, Vetting
from registry.seed import seed
from registry.services import Progress, Report, ingest
from registry.vetting import review

REVIEWER = "reviewer"


@dataclass(frozen=True)
class Keys:
    """What a visitor of the demo signs in and downloads with."""

    user: str
    password: str
    token: str


def fill(folder: Path, progress: Progress) -> Report:
    """Licenses, base models and the adapters in `folder`/adapters with the decisions in reviews.toml.

    Asks for every sheet that is missing and brings the search up to date. Again: nothing changes.
    """
    seed()
    report = ingest(str(folder / "adapters"), actor="demo", progress=progress)
    with (folder / "reviews.toml").open("rb") as file:
        apply_decisions(tomllib.load(file)["review"])
    plan_missing_sheets()
    tell_refusals()
    while consume():
        pass
    return report


def apply_decisions(decisions: list[dict[str, str]]) -> None:
    """Take each decision on a version that nobody has decided on yet, in order, as the demo's reviewer."""
    reviewer = the_reviewer()
    undecided = {
        name: Version.objects.get(pk=version)
        for name, version in File.objects.filter(
            name__in={decision["file"] for decision in decisions}, version__reviews__isnull=True
        ).values_list("name", "version")
    }
    for decision in decisions:
        version = undecided.get(decision["file"])
        if version is not None:
            review(version, reviewer, decision["action"], decision["reason"])


def the_reviewer() -> User:
    """The demo's one account: it may review and use the admin pages."""
    user, made = User.objects.get_or_create(
        username=REVIEWER, defaults={"is_staff": True, "is_superuser": True}
    )
    if made:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def keys() -> Keys:
    """Password and token of the demo's reviewer; made at first, then read from var/demo.json (mode 600)."""
    user, path = the_reviewer(), Path(settings.VAR_DIR) / "demo.json"
    kept = _read(path)
    password, token = str(kept.get("password", "")), str(kept.get("token", ""))
    if not password or not user.check_password(password):
        password = secrets.token_urlsafe(9)
        user.set_password(password)
        user.save(update_fields=["password"])
    try:
        find(token)
    except (TokenUnknown, TokenExpired, TokenRevoked):
        token = create(user, "demo", (DOWNLOAD, REVIEW))[1]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"password": password, "token": token}, file)
    return Keys(REVIEWER, password, token)


def sheets_over() -> tuple[int, int]:
    """How many of the sheets that were asked for are over, done or not, and how many there are."""
    over = Sheet.objects.filter(state__in=[SheetState.DONE, SheetState.FAILED, SheetState.REFUSED]).count()
    return over, Sheet.objects.count()


def a_vetted_file() -> File | None:
    """Any file that may leave by the API, for the example of a download."""
    return (
        File.objects.filter(version__vetting=Vetting.APPROVED, state=FileState.STORED).order_by("pk").first()
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
