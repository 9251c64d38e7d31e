"""`manage.py seed`: fills the tables of licenses and base models."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from registry.seed import seed


class Command(BaseCommand):
    help = "Fill the tables of licenses and base models; run it after every update. It repeats nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        done = seed()
        if done.nothing:
            self.stdout.write("Licenses and base models are up to date.")
            return
        counts = f"{done.licenses} licenses, {done.base_models} base models and {done.aliases} names"
        self.stdout.write(f"{counts} made or changed.")
