"""Trains the toybox: `python demo/train.py vae|base|adapters|check`, see demo/README.md."""

import sys
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from demo.training.cli import main

if __name__ == "__main__":
    main()
