"""The programming interface /api/v1/: thin views over the registry, the sheets and the search."""
