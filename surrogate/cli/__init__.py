"""The command ``surrogate``."""

from surrogate.cli.application import app, main

__all__ = ["app", "main"]
