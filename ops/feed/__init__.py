"""Closed bars of a live exchange, brought to the workers' streams."""
