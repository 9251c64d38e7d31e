"""The tree of base models: a circle in it, which a person can make, is refused and ends no program."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from registry.bases import with_ancestors
from registry.models import BaseModel
from registry.terms import licensing_base

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def pair() -> tuple[BaseModel, BaseModel]:
    upper = BaseModel.objects.create(slug="upper", name="Upper", family="sdxl")
    return upper, BaseModel.objects.create(slug="lower", name="Lower", family="sdxl", parent=upper)


def test_the_ancestors_of_a_base_model_come_nearest_first(pair: tuple[BaseModel, BaseModel]) -> None:
    upper, lower = pair
    assert list(with_ancestors(lower)) == [lower, upper]


def test_a_base_model_cannot_become_its_own_ancestor(pair: tuple[BaseModel, BaseModel]) -> None:
    upper, lower = pair
    lower.full_clean()
    upper.parent = lower
    with pytest.raises(ValidationError, match="its own ancestor"):
        upper.full_clean()


def test_a_circle_that_stands_in_the_rows_is_walked_once(pair: tuple[BaseModel, BaseModel]) -> None:
    upper, lower = pair
    BaseModel.objects.filter(pk=upper.pk).update(parent=lower)
    lower.refresh_from_db()
    assert [base.slug for base in with_ancestors(lower)] == ["lower", "upper"]
    assert licensing_base(lower) is None
