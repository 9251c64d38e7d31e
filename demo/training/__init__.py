"""How the toybox is trained: one module per stage."""
