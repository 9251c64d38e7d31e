"""Measured ratios, one command and one table each: `python -m benchmarks NAME`."""
