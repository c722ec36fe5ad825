"""Pure functions on (truth, prediction)."""
