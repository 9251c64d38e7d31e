"""What people see: home, browse, adapter, sheet, review queue, licenses; each page one bounded set of queries."""
