"""Panel and Bokeh, which the extra ``explore`` installs, and what is said where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class ExploreError(ValueError):
    """The explorer cannot open; the message says what was expected and what to do."""


def toolkit(name: str) -> Any:
    """Import a module of Panel or Bokeh.

    Their own type information lacks what their metaclasses add, so that the result is untyped.

    Raises
    ------
    ExploreError
        If it is not installed.

    Examples
    --------
    >>> toolkit("unknown_module")
    Traceback (most recent call last):
        ...
    surrogate.explore.toolkit.ExploreError: explore: unknown_module is not installed; pip install 'surrogate[explore]'
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ExploreError(f"explore: {error.name} is not installed; pip install 'surrogate[explore]'") from None
