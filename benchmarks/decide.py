"""Deciding a million versions for one act and facts: through terms profiles, or one after another."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, at_most, at_most_times, seconds_of

VERSIONS = 1_000_000
PROFILES = 2_000
SAMPLE = 2_000
ROUNDS = 3
ROOT = Path(__file__).parents[1]
ACT = "run_as_paid_service"
FACTS: dict[str, object] = {"annual_revenue_usd": 250_000, "territory": "JP", "commercial": True}
SEED = 20261126


def run() -> list[Row]:
    """A process of its own with an embedded PostgreSQL, so that Django and its settings are set up once."""
    with tempfile.TemporaryDirectory() as folder:
        # The server runs as another account when the benchmark runs as root.
        Path(folder).chmod(0o711)
        environment = os.environ | {
            "VAR_DIR": folder,
            "DATABASE_URL": "",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        python = [sys.executable, "-m"]
        try:
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True
            )
            done = subprocess.run(
                [*python, "benchmarks.decide"], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE
            )
        finally:
            stop = [*python, "config.postgres", "stop"]
            subprocess.run(stop, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False)
    figures = dict(line.split("=") for line in done.stdout.decode().splitlines() if "=" in line)
    value = {name: float(figure) for name, figure in figures.items()}
    return [
        at_most("million_versions", value["profiles"], "s", target=1),
        at_most_times("million_versions_naive", value["profiles"], "s", against=value["naive"], target=0.01),
        at_most("million_versions_again", value["again"], "s", target=0.1),
        at_most("million_versions_counted", value["counted"], "s", target=1),
        at_most("million_versions_page", value["page"] * 1000, "ms", target=50),
        Row("million_versions_memory", value["memory"] / 1e6, "MB"),
        Row("decide_one", value["one"] * 1e6, "us"),
        Row("profiles", value["distinct"], "profiles"),
    ]


def terms(chance: random.Random) -> dict[str, Any]:
    """One set of terms as a catalog holds them: bases by their popularity, flags, licenses, rights."""
    from registry.licensing import BASE_MODELS, LICENSES

    bases = sorted(BASE_MODELS.values(), key=lambda base: base.id)
    base = chance.choices(bases, weights=[1 / (place + 1) for place in range(len(bases))])[0]
    flags = {
        "allowCommercialUse": [
            use for use in ("Image", "RentCivit", "Rent", "Sell") if chance.random() < 0.6
        ],
        "allowNoCredit": chance.random() < 0.6,
        "allowDerivatives": chance.random() < 0.7,
        "allowDifferentLicense": chance.random() < 0.6,
    }
    licensed = chance.random() < 0.3
    return {
        "base_model": base.id,
        "base_license": base.license,
        "components": list(base.components),
        "base_conflict": {"declared": base.id, "detected": "sdxl"} if chance.random() < 0.02 else None,
        "license": chance.choice(sorted(LICENSES)) if licensed else None,
        "civitai": None if licensed and chance.random() < 0.7 else flags,
        "extra": [],
        "rights": chance.choice([None, None, None, "unknown", "cleared"]),
        "overlays": [],
    }


def load() -> int:
    """A million versions over some thousand profiles, the common ones far more often; how many profiles."""
    import hashlib

    from django.db import connection

    from registry.models import Adapter, TermsProfile, Version
    from registry.terms import canonical

    chance = random.Random(SEED)
    made: dict[str, TermsProfile] = {}
    while len(made) < PROFILES:
        found = terms(chance)
        digest = hashlib.sha256(canonical(found).encode()).hexdigest()
        made.setdefault(digest, TermsProfile(digest=digest, terms=found))
    keys = [row.pk for row in TermsProfile.objects.bulk_create(made.values())]
    adapter = Adapter.objects.create(source="folder", source_key="sha256:0", name="one")
    columns = "adapter_id, source_key, name, notes, trigger_words, declared_base, detected_family, "
    columns += "terms_profile_id, vetting, availability, created, updated"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Version._meta.db_table} ({columns}) "
            "SELECT %s, 'v' || n, 'v', '', '{}', '', 'unknown', "
            # The k-th profile is about k times rarer than the first: random ^ 3 leans towards the low end.
            "(%s::bigint[])[1 + floor(power(random(), 3) * %s)::int], 'waiting', 'present', now(), now() "
            "FROM generate_series(1, %s) n",
            [adapter.pk, keys, len(keys), VERSIONS],
        )
        cursor.execute(f"ANALYZE {Version._meta.db_table}")
    return len(keys)


def main() -> None:
    """In the process of its own: load, measure, print `name=figure`."""
    from registry import profiles
    from registry.basis import current_basis
    from registry.models import TermsProfile, Version

    distinct = load()
    of_version = dict(enumerate(Version.objects.order_by("pk").values_list("terms_profile_id", flat=True)))
    known = dict(TermsProfile.objects.values_list("pk", "terms"))
    basis = current_basis()

    def every_version() -> list[str]:
        outcomes = profiles.outcomes_by_profile(ACT, FACTS)
        return [outcomes[profile] for profile in of_version.values()]

    def from_nothing() -> list[str]:
        profiles._remembered.cache_clear()
        return every_version()

    # The very first time, with nothing remembered of licenses and conditions either.
    first = seconds_of(from_nothing)
    again = min(seconds_of(every_version) for _ in range(ROUNDS))
    sample = random.Random(SEED).sample(sorted(of_version), SAMPLE)
    answers: dict[int, str] = {}

    def naive() -> None:
        for version in sample:
            terms_ = known[of_version[version]]
            question = profiles.question_of(terms_, ACT, FACTS)
            answers[version] = profiles.decide(question, basis.table).outcome

    seconds = min(seconds_of(naive) for _ in range(ROUNDS))
    ours = every_version()
    assert all(ours[version] == outcome for version, outcome in answers.items()), "the two ways disagree"

    allowed = [pk for pk, found in profiles.outcomes_by_profile(ACT, FACTS).items() if found != "forbidden"]
    matching = Version.objects.filter(terms_profile__in=allowed)
    counted = min(seconds_of(lambda: matching.order_by().count()) for _ in range(ROUNDS))
    page = min(
        seconds_of(lambda: list(matching.order_by("-pk").values_list("pk")[:50])) for _ in range(ROUNDS)
    )

    profiles._remembered.cache_clear()
    tracemalloc.start()
    profiles.outcomes_by_profile(ACT, FACTS)
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    one = seconds / SAMPLE
    figures = {
        "profiles": first, "again": again, "naive": one * VERSIONS, "one": one, "counted": counted,
        "page": page, "memory": memory, "distinct": distinct,
    }  # fmt: skip
    for name, figure in figures.items():
        print(f"{name}={figure}")


if __name__ == "__main__":
    import django

    django.setup()
    main()
