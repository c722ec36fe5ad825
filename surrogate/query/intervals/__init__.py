"""Calibrated intervals: from errors on unseen runs to half-widths by depth and time."""
