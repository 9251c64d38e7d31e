"""Tests of the license engine."""
