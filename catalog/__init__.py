"""Catalog: what people and programs see."""
