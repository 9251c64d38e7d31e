"""Follows upstreams: subscriptions, resumable runs over their pages, updates, and what is no longer there."""
