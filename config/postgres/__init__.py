"""A Django database engine that starts Kura's own PostgreSQL when a connection is first made."""
