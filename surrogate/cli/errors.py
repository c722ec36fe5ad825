"""Which exceptions are the user's business (one line) and which are ours (a traceback)."""

from __future__ import annotations

USER_ERRORS = (ValueError, OSError, RuntimeError)
"""Caught by the command; :func:`is_user_error` decides."""


def is_user_error(error: BaseException) -> bool:
    """Tell whether an exception describes bad input.

    The package raises exceptions of its own for bad input; those, and the operating system's, are shown as one line.
    A bare ValueError is shown so if this package raised it; anything else is a bug and keeps its traceback.
    """
    if isinstance(error, OSError) or type(error).__module__.startswith("surrogate."):
        return True
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    module = frame.tb_frame.f_globals.get("__name__", "") if frame is not None else ""
    return isinstance(error, ValueError) and module.startswith("surrogate.")
