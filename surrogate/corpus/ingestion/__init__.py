"""Raw runs in, one store out: look at them, plan, convert one by one, commit."""
