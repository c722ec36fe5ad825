"""Pictures made from data alone."""
