"""The weights of base models, or the layout of those in a single file: fetched from the Hub at a commit that
stays until another is asked for.
"""

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
from registry.weights import read_header
from registry.weights.base_checkpoints import read_base_checkpoint

_PIN = "COMMIT"


def fetch_base(
    slug: str,
    *,
    repo: str = "",
    revision: str = "",
    layout: bool = False,
    actor: str = "system",
    progress: Callable[[str, int, int], None] = lambda name, done, total: None,
    should_stop: Callable[[], bool] | None = None,
) -> FetchedBase:
    """Fetch the weights of the base called `slug`, and have workers render with them once they are whole.

    `repo`: a repository on the Hub, by default the one that the table of base models names. `revision`: by
    default the commit that an earlier call fetched or began with, else the newest. With `layout` only what
    configures a single file is fetched (configurations, tokenizers), and the weights of parts that the base's
    file lacks. Raises UnknownBase, NoPipeline, UpstreamError, and what reading the base's file raises.
    """
    base = BaseModel.objects.filter(slug=slug).first()
    if base is None:
        raise UnknownBase(f"No base model is called {slug!r}.")
    into = Path(settings.VAR_DIR) / ("layouts" if layout else "bases") / base.slug
    name = read_reference(repo if ":" in repo else f"hf:{repo}").repo if repo else _name_on_the_hub(base)
    fetched = fetch_pipeline(
        name,
        into,
        revision=revision or _pinned(into, name),
        progress=progress,
        should_stop=should_stop,
        begin=lambda sha: _pin(into, name, sha),
        weighs=_lacked_by(base) if layout else lambda part: True,
    )
    values = {"weights_layout": str(fetched.folder)}
    if not layout:
        values = {"weights": str(fetched.folder), "weights_revision": fetched.revision}
    if any(getattr(base, field) != value for field, value in values.items()):
        BaseModel.objects.filter(pk=base.pk).update(**values)
        kind = "layout" if layout else "weights"
        audit(actor, "fetch_base", f"base:{base.pk}", kind=kind, repo=fetched.repo, revision=fetched.revision)
    return fetched


def _lacked_by(base: BaseModel) -> Callable[[str], bool]:
    """Which parts the base's single file lacks; none where its weights are no file on this machine."""
    path = Path(settings.BASE_DIR) / base.weights
    if not base.weights or not path.is_file():
        return lambda part: False
    found = read_base_checkpoint(read_header(path))
    if found.problem:
        raise NoPipeline(f"{path.name} is no base that a layout makes renderable: {found.problem}")
    # A VAE of its own takes the place of the one that the file may lack.
    held = {*found.parts, *(["vae"] if base.vae else [])}
    return lambda part: part not in held


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
