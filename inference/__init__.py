"""Inference: how an adapter looks."""
