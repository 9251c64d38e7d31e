"""`manage.py recheck` and the job behind it: shows before it changes, and done twice changes nothing."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import call_command

from registry import jobs, recheck, verdicts
from registry.errors import VersionNotFound
from registry.licensing.errors import UnknownLicense
from registry.models import BaseModel, Job, JobState, License, TermsBasis, VerdictChange, Version
from registry.policies import save_rule
from tests.factories import ClaimFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("seeded")]

SELL = "generate_and_sell_images"


def licensed(license_id: str) -> Version:
    version = VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"))
    ClaimFactory.create(version=version, value=license_id)
    verdicts.settle(version)
    return version


def forbid_selling() -> None:
    save_rule("policy", "no-selling", actor="mika", clause="1", acts={SELL: {"status": "forbidden"}})


def command(*options: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("recheck", *options, "--json", stdout=out, stderr=io.StringIO())
    read: dict[str, Any] = json.loads(out.getvalue())
    return read


def test_nothing_is_out_of_date_after_terms_were_settled() -> None:
    licensed("MIT")
    assert command("--dry-run")["rows"] == []


def test_a_dry_run_shows_what_a_run_then_does() -> None:
    versions = [licensed("MIT"), licensed("MIT"), licensed("CC-BY-NC-4.0")]
    forbid_selling()
    bases = TermsBasis.objects.count()
    shown = command("--dry-run")
    assert shown["counts"] == {SELL: {"tighter": 2}}
    assert [row["versions"] for row in shown["rows"]] == [2]
    assert shown["rows"][0]["why"][0]["id"] == "policy:no-selling"
    assert (VerdictChange.objects.count(), TermsBasis.objects.count()) == (0, bases)
    done = command()
    assert (done["counts"], done["told"]) == (shown["counts"], 2)
    assert {row.version_id for row in VerdictChange.objects.all()} == {each.pk for each in versions[:2]}
    assert command()["rows"] == []
    assert VerdictChange.objects.count() == 2


def test_claims_that_changed_behind_its_back_are_found() -> None:
    version = licensed("MIT")
    version.claims.update(superseded=True)
    ClaimFactory.create(version=version, value="CC-BY-NC-4.0")
    shown = command("--dry-run")
    row = next(row for row in shown["rows"] if row["version"] == version.pk)
    assert {each["id"] for each in row["why"]} == {"license"}
    assert command()["moved"] == 1
    assert VerdictChange.objects.filter(version=version, act=SELL, after="forbidden").exists()


def test_it_can_be_narrowed_to_a_license_or_a_version() -> None:
    mit, free = licensed("MIT"), licensed("CC0-1.0")
    forbid_selling()
    assert command("--dry-run", "--license", "mit")["counts"] == {SELL: {"tighter": 1}}
    done = command("--version", str(mit.pk))
    assert done["counts"] == {SELL: {"tighter": 1}}
    assert [row.version_id for row in VerdictChange.objects.all()] == [mit.pk]
    # The demo's base is CC0 as well, so this license concerns both; one of them is done.
    assert command("--license", "CC0-1.0")["counts"] == {SELL: {"tighter": 1}}
    assert VerdictChange.objects.filter(version=free).count() == 1


def test_what_does_not_exist_is_refused_with_what_does() -> None:
    with pytest.raises(UnknownLicense, match="MIT"):
        recheck.scope_of("MITT")
    with pytest.raises(VersionNotFound):
        recheck.scope_of(version_id=10**9)


def test_people_read_counts_first_and_then_each_row() -> None:
    licensed("MIT")
    forbid_selling()
    out = io.StringIO()
    call_command("recheck", "--dry-run", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0] == f"{SELL}: 1 tighter"
    assert "rule policy:no-selling" in lines[1]
    assert lines[2].strip() == f"{SELL}: allowed -> forbidden (tighter)"


def test_many_versions_are_left_to_a_worker_who_goes_on_where_one_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    licensed("MIT")
    licensed("Apache-2.0")
    monkeypatch.setattr(recheck, "INLINE", 1)
    forbid_selling()
    job = recheck.follow()
    assert job is not None
    assert not VerdictChange.objects.exists()
    seen = 0

    def stop_after_one() -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            raise jobs.JobStopped

    with pytest.raises(jobs.JobStopped):
        recheck.run(job.payload, pause=stop_after_one)
    assert VerdictChange.objects.count() <= 1
    jobs.work("cpu")
    assert Job.objects.get(pk=job.pk).state == JobState.DONE
    assert VerdictChange.objects.count() == 2


def test_asking_twice_for_the_same_work_is_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    licensed("MIT")
    monkeypatch.setattr(recheck, "INLINE", 0)
    forbid_selling()
    first, second = recheck.follow(), recheck.follow()
    assert first is not None and second is not None
    assert first.pk == second.pk


def test_another_license_of_a_base_reaches_the_versions_on_it() -> None:
    version = licensed("MIT")
    base = BaseModel.objects.get(slug="kura-toybox")
    base.license = License.objects.get(license_id="CC-BY-NC-4.0", current=True)
    base.save()
    recheck.follow(bases=[base.pk])
    change = VerdictChange.objects.select_related("event").get(version=version, act=SELL)
    assert (change.after, change.event.cause) == ("forbidden", "base")
