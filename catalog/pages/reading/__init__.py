"""Page-sized reads: each function brings what one page shows in a fixed number of queries."""
