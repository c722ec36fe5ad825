"""Raw runs of any solver become one store."""
