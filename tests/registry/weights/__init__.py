"""Tests of reading adapter files."""
