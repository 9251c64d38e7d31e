"""Measured ratios, one command and one table each: `python -m benchmarks NAME`."""

import os

# Read when torch is first imported, whichever benchmark does that: threads that wait by spinning would take
# the cores from the other side of a comparison.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
