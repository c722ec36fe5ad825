"""Further trainings: search for settings, learning curve, compression curve."""
