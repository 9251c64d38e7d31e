"""The weights of base models: fetched from the Hub at a commit that stays until another is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from registry.ledger import audit
from registry.models import AliasHost, BaseModel
from registry.sources.base_models import FetchedBase, NoPipeline, fetch_pipeline
from registry.sources.errors import UnknownBase
from registry.sources.huggingface_names import read_reference

_PIN = "COMMIT"


def fetch_base(
    slug: str,
    *,
    repo: str = "",
    revision: str = "",
    actor: str = "system",
    progress: Callable[[str, int, int], None] = lambda name, done, total: None,
    should_stop: Callable[[], bool] | None = None,
) -> FetchedBase:
    """Fetch the weights of the base called `slug`, and have workers render with them once they are whole.

    `repo`: a repository on the Hub, by default the one that the table of base models names. `revision`: by
    default the commit that an earlier call fetched or began with, else the newest. Raises UnknownBase,
    NoPipeline, UpstreamError.
    """
    base = BaseModel.objects.filter(slug=slug).first()
    if base is None:
        raise UnknownBase(f"No base model is called {slug!r}.")
    into = Path(settings.VAR_DIR) / "bases" / base.slug
    name = read_reference(repo if ":" in repo else f"hf:{repo}").repo if repo else _name_on_the_hub(base)
    fetched = fetch_pipeline(
        name,
        into,
        revision=revision or _pinned(into, name),
        progress=progress,
        should_stop=should_stop,
        begin=lambda sha: _pin(into, name, sha),
    )
    if (base.weights, base.weights_revision) != (str(fetched.folder), fetched.revision):
        base.weights, base.weights_revision = str(fetched.folder), fetched.revision
        base.save(update_fields=["weights", "weights_revision"])
        audit(actor, "fetch_base", f"base:{base.pk}", repo=fetched.repo, revision=fetched.revision)
    return fetched


def _name_on_the_hub(base: BaseModel) -> str:
    """The repository that the table names first; a name without an account is no repository."""
    names = base.aliases.filter(host=AliasHost.HUGGINGFACE, name__contains="/").order_by("id")
    first = names.values_list("name", flat=True).first()
    if first is None:
        raise NoPipeline(f"No repository of {base.name} is known.", next_step="Name one by --repo ORG/NAME.")
    return first


def _pin(into: Path, repo: str, sha: str) -> None:
    into.mkdir(parents=True, exist_ok=True)
    (into / _PIN).write_text(f"{repo}@{sha}\n", encoding="utf-8")


def _pinned(into: Path, repo: str) -> str:
    """The commit of `repo` that was fetched last, "" for none."""
    try:
        held, _, sha = (into / _PIN).read_text(encoding="utf-8").strip().rpartition("@")
    except OSError:
        return ""
    return sha if held.lower() == repo.lower() and re.fullmatch(r"[0-9a-f]{40}", sha) else ""
