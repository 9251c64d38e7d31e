"""The base that a worker keeps loaded: its jobs go first, and still nobody waits for ever."""

from __future__ import annotations

from registry.models import Job
from registry.warm_base import LONGEST_RUN, WarmBase


def test_the_base_of_the_last_job_is_loaded_whatever_came_between_without_one() -> None:
    warm = WarmBase()
    assert warm.loaded == ""
    for base in ("pony", "", "noob", ""):
        warm.did(Job(base=base))
    assert warm.loaded == "noob"


def test_a_base_in_constant_demand_lets_the_oldest_job_go_first_now_and_then() -> None:
    warm = WarmBase()
    told = []
    for _ in range(2 * LONGEST_RUN):
        warm.did(Job(base="pony"))
        told.append(warm.loaded)
    assert told.count("") == 2
    assert told[LONGEST_RUN - 1] == ""
    assert warm.loaded == "" and told[LONGEST_RUN] == "pony"
