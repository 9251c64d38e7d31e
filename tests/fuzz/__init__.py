"""Fuzz targets: run by hand, outside the suite; see the command in each."""
