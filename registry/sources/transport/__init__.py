"""How requests leave and answers enter: the parts of registry/sources/http.py, which everybody else calls."""
