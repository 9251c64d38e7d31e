"""Who may do what here beyond reading: reviewers decide, reviewers and editors correct what is shown."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User

REVIEWERS = "Reviewers"
MAY_REVIEW = "registry.add_review"
MAY_EDIT = "registry.change_adapter"


def is_reviewer(user: User | AnonymousUser) -> bool:
    """Whether this account may approve and reject: by permission or by the group Reviewers."""
    if isinstance(user, AnonymousUser) or not user.is_active:
        return False
    return user.has_perm(MAY_REVIEW) or user.groups.filter(name=REVIEWERS).exists()


def is_editor(user: User | AnonymousUser) -> bool:
    """Whether this account may correct names, words and bases: reviewers, and who may change adapters."""
    if isinstance(user, AnonymousUser) or not user.is_active:
        return False
    return user.has_perm(MAY_EDIT) or is_reviewer(user)
