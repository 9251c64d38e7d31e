"""What people and programs use to reach the catalog: tokens, the download ledger, search documents."""

from catalog.models.access import AccessToken, Download
from catalog.models.search import Cursor, SearchDocument

__all__ = ["AccessToken", "Cursor", "Download", "SearchDocument"]
