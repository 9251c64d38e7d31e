"""Only what validates as safetensors is ever vetted; inspect and ingest name what is wrong with the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from registry.checks import HARD_GATES
from registry.models import Check, File, FileState, Inspection, ReviewAction, Version, Vetting
from registry.services import ingest
from registry.vetting import HardGateFailed, NotReviewable, review
from registry.weights import inspect_file
from tests.registry.hostile_files import HOSTILE, QUARANTINED, REFUSED, Hostile

each_hostile = pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@each_hostile
def test_inspect_names_what_is_wrong(folder: Path, hostile: Hostile) -> None:
    got = inspect_file(hostile.make(folder)).as_dict()
    grave = [finding["code"] for finding in got["findings"] if finding["severity"] == "error"]
    if got["error"]:
        assert got["error"]["code"] == hostile.code
        assert not got["valid"]
    else:
        assert hostile.code in grave
    assert not (folder / "witness").exists()


@pytest.mark.database
@pytest.mark.django_db
@pytest.mark.usefixtures("blobs", "seeded")
@each_hostile
def test_ingest_refuses_it_or_keeps_it_where_nobody_can_approve_it(
    folder: Path, hostile: Hostile, django_user_model: type[User]
) -> None:
    reviewer = django_user_model.objects.create(username="mika", is_staff=True)
    hostile.make(folder)
    report = ingest(str(folder))
    assert not (folder / "witness").exists()
    if hostile.ingest == REFUSED:
        assert not File.objects.exists()
        assert [failure.error.code for failure in report.failed] == [hostile.code]
        return
    assert report.failed == []
    version = Version.objects.get()
    if hostile.ingest == QUARANTINED:
        assert (version.vetting, version.files.get().state) == (Vetting.QUARANTINED, FileState.QUARANTINED)
    else:
        (reading,) = Inspection.objects.filter(valid=True)
        assert hostile.code in [each["code"] for each in reading.data["findings"]]
        assert Check.objects.filter(version=version, outcome="fail", code__in=HARD_GATES).exists()
    with pytest.raises((HardGateFailed, NotReviewable)):
        review(version, reviewer, ReviewAction.APPROVE, "It looks fine.")


def test_every_danger_that_users_named_is_among_them() -> None:
    assert len(HOSTILE) >= 15
    assert len({hostile.code for hostile in HOSTILE}) >= 15
