"""The command line of demo/train.py."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from demo.training import autoencoder
from demo.training.loop import console

RUN = Path("var/toybox")


def main() -> None:
    """Reads the arguments and runs one stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("vae",))
    parser.add_argument("--run", type=Path, default=RUN)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--decay", type=int)
    options = parser.parse_args()
    changes = {k: v for k, v in (("steps", options.steps), ("decay", options.decay)) if v is not None}
    vae = autoencoder.train_autoencoder(options.run, replace(autoencoder.PLAN, **changes))
    console.print(f"PSNR {autoencoder.held_out_psnr(vae):.2f} dB")
