"""The command line of demo/train.py: one stage per call, each resumes where it was stopped."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from demo.training import adapters, autoencoder, base, gate, sheets
from demo.training.loop import Plan, console
from demo.training.models import load_pipeline
from demo.training.papers import write_papers
from demo.training.recipes import RECIPES
from inference.engine.ladder import Engine

DEMO = Path(__file__).resolve().parent.parent
SEEN = 36


def _plan(plan: Plan, options: argparse.Namespace) -> Plan:
    names = ("steps", "decay", "rate")
    return replace(
        plan, **{name: getattr(options, name) for name in names if getattr(options, name) is not None}
    )


def _vae(options: argparse.Namespace) -> None:
    vae = autoencoder.train_autoencoder(options.run, _plan(autoencoder.PLAN, options))
    console.print(f"PSNR {autoencoder.held_out_psnr(vae):.2f} dB")


def _base(options: argparse.Namespace) -> None:
    if not (options.run / "vae.pt").exists():
        _vae(argparse.Namespace(**{**vars(options), "steps": None, "decay": None, "rate": None}))
    if not options.assemble:
        base.train_base(options.run, DEMO / "toybox", _plan(base.PLAN, options))
    base.assemble(options.run, DEMO / "toybox", options.base)


def _check(options: argparse.Namespace) -> None:
    pipeline = load_pipeline(options.base)
    verdict, pictures = gate.judge_base(pipeline, gate.trained_judge(options.run / "judge.pt"))
    gate.write_verdict(options.base, verdict, autoencoder.held_out_psnr(pipeline.vae))
    gate.sheet(pictures[:SEEN], 6).save(options.base / "gate.jpg", quality=88)
    console.print("passed" if verdict.passed else "below the gate: train on")
    raise SystemExit(0 if verdict.passed else 1)


def _folder(options: argparse.Namespace) -> Path:
    """Where the adapters of a set lie: the first in demo/adapters, the second beside the checkpoints."""
    return Path(options.adapters if options.set == "main" else options.run / "judging")


def _adapters(options: argparse.Namespace) -> None:
    target = _folder(options)
    adapters.train_adapters(options.base, target, options.set, tuple(options.only))
    if options.set == "main":  # the second set is for measuring, not for a catalog
        write_papers(target)


def _sheets(options: argparse.Namespace) -> None:
    engine, source = Engine.load(options.base), _folder(options)
    target = options.run / f"sheets-{options.set}"
    target.mkdir(parents=True, exist_ok=True)
    for recipe in RECIPES:
        chosen = not options.only or recipe.file in options.only or recipe.folder in options.only
        if chosen and adapters.adapter_file(recipe, source).exists():
            sheets.comparison(recipe, source, engine).save(target / f"{recipe.file}.png")
    ember, frost = (source / name / f"{name}.safetensors" for name in ("ember", "frost"))
    if ember.exists() and frost.exists():
        sheets.pair_sheet(ember, frost, engine).save(target / "ember+frost.png")


def _samples(options: argparse.Namespace) -> None:
    engine, folder = Engine.load(options.base), _folder(options)
    sheets.sample_pictures(folder, engine)
    write_papers(folder)
    if options.set == "main":
        sheets.overview(folder, engine).save(DEMO / "toybox.jpg", quality=88)


STAGES = {
    "vae": _vae,
    "base": _base,
    "check": _check,
    "adapters": _adapters,
    "sheets": _sheets,
    "samples": _samples,
}


def main() -> None:
    """Reads the arguments and runs one stage."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument(
        "--run", type=Path, default=Path("var/toybox"), help="checkpoints; a later run resumes from them"
    )
    parser.add_argument("--base", type=Path, default=DEMO / "toybox", help="the base's pipeline folder")
    parser.add_argument("--adapters", type=Path, default=DEMO / "adapters", help="folder of the adapters")
    parser.add_argument("--set", choices=("main", "judging"), default="main")
    parser.add_argument(
        "--only", nargs="*", default=(), help="adapters to train again, by file or folder name"
    )
    parser.add_argument("--steps", type=int, help="instead of the plan's")
    parser.add_argument("--decay", type=int, help="steps of falling rate at the end, instead of the plan's")
    parser.add_argument("--rate", type=float, help="learning rate, instead of the plan's")
    parser.add_argument(
        "--assemble", action="store_true", help="base: only write the newest checkpoint as a pipeline"
    )
    options = parser.parse_args()
    STAGES[options.stage](options)
