"""Registry: what exists, where it came from, what may be done with it, whether it is vetted."""
