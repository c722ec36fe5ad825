"""Readers of raw runs, one per solver."""
