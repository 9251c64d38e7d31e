"""What people see: home, browse, adapter, sheet, review queue, licenses; each a bounded set of queries."""
