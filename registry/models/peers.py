"""Instance: which Kura this is, so that what went round a circle of Kuras is known again."""

from __future__ import annotations

import uuid

from django.db import models


class Instance(models.Model):
    """One row: an identity that stays when the address changes. Other Kuras are told it with every export."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    identity = models.UUIDField(default=uuid.uuid4, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="instance_only_one"),
        ]

    def __str__(self) -> str:
        return str(self.identity)
