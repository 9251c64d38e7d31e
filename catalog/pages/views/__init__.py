"""Views of the pages: each reads the address, asks catalog.pages.reading, and fills one template."""
