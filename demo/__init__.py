"""The toybox: a small base model, its adapters, and the recipe that made them."""
