"""Which base a worker has loaded, as far as its jobs tell: theirs go first, but not for ever."""

from __future__ import annotations

from registry.models.jobs import Job

LONGEST_RUN = 20
"""Jobs of one base that a worker does before it looks what is oldest: loading another one costs far less than
these, and a base in constant demand must not keep all others waiting."""


class WarmBase:
    """The base that a worker has loaded, by the jobs it did."""

    def __init__(self) -> None:
        self._base, self._jobs = "", 0

    @property
    def loaded(self) -> str:
        """The slug of the base whose jobs go first; "" where the oldest goes first, whatever its base."""
        return self._base if self._jobs < LONGEST_RUN else ""

    def did(self, job: Job) -> None:
        """The worker has done this job. One that needs no base leaves loaded what is loaded."""
        if job.base:
            self._jobs = self._jobs + 1 if job.base == self.loaded else 1
            self._base = job.base
