"""Compiled kernels: the one decorator for them, and where their machine code is kept between processes."""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from numba import config, njit

_numba: Any = config  # its settings are made at run time

NAN_SAFE_MATH = frozenset({"contract", "reassoc", "nsz", "arcp"})
"""Liberties of the compiler that keep NaN a NaN: a run that diverges must be seen."""

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(fastmath: frozenset[str] = NAN_SAFE_MATH, **options: Any) -> Callable[[Function], Function]:
    """Compile a function with Numba and keep the machine code on disk.

    The code lies where Numba puts it: in ``NUMBA_CACHE_DIR``, beside the source, or in the home folder. Where none
    of them can be written (a package installed by somebody else, an account without a home), it lies in a folder of
    this user under the temporary one, and where not even that can be, every process compiles anew, with a warning.

    A division by zero gives infinity or NaN, as in NumPy: a loop that asks before each division is not vectorised.

    Parameters
    ----------
    fastmath : set of str
        Liberties that the compiler may take with floating-point arithmetic.
    **options
        Further options of :func:`numba.njit`.

    Examples
    --------
    >>> @kernel()
    ... def double(x):
    ...     return 2.0 * x
    >>> double(1.5)
    3.0
    """

    def compiled(function: Function) -> Function:
        build: Any = partial(njit, fastmath=set(fastmath), error_model="numpy", **options)
        chosen = _numba.CACHE_DIR
        for folder in (lambda: chosen, _temporary_folder):
            place = folder()
            if place is None:
                break
            try:
                _numba.CACHE_DIR = str(place)
                cached: Function = build(cache=True)(function)
                return cached
            except RuntimeError as error:
                if "cannot cache" not in str(error):
                    raise
            finally:
                _numba.CACHE_DIR = chosen
        plain: Function = build(cache=False)(function)
        return plain

    return compiled


def cache_misses() -> int:
    """Count the functions that this process had to compile although they are kept on disk."""
    import gc

    from numba.core.dispatcher import Dispatcher

    functions = [entry for entry in gc.get_objects() if isinstance(entry, Dispatcher)]
    return sum(sum(function.stats.cache_misses.values()) for function in functions)


@lru_cache(maxsize=1)
def _temporary_folder() -> Path | None:
    """Folder for machine code that belongs to this user alone; None, with a warning, where there can be none."""
    try:
        user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
        folder = Path(tempfile.gettempdir()) / f"surrogate-numba-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        # What is read from it is run: a folder that another user can write to is not used.
        if hasattr(os, "getuid") and not (
            stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o022
        ):
            raise OSError(f"{folder} belongs to another user")
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        warnings.warn(
            f"every process compiles anew, for there is no folder to keep machine code in ({error}): "
            "set NUMBA_CACHE_DIR to one that can be written",
            stacklevel=3,
        )
        return None
    return folder
