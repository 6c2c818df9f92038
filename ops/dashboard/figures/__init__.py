"""Figures of the views: pure functions from tables to plain dicts."""
