"""A line on the terminal that says how far a long answer is; nothing where no person looks."""

from __future__ import annotations

import sys
import threading
from time import monotonic
from typing import TextIO

PATIENCE = 1.0
"""Seconds before the line appears: a short answer needs none."""

INTERVAL = 0.2
"""Seconds between two updates."""


class Progress:
    """Counts what is done, from any thread.

    Parameters
    ----------
    total : int
        What there is to do.
    label : str
        What is counted.
    stream : file, optional
        Default: stderr. Nothing is written unless it is a terminal.
    """

    def __init__(self, total: int, label: str, stream: TextIO | None = None) -> None:
        self._total, self._label, self._stream = total, label, stream or sys.stderr
        self._lock = threading.Lock()
        self._visible = self._stream is not None and self._stream.isatty()
        self._restart()

    def _restart(self) -> None:
        self._done, self._start, self._shown = 0, monotonic(), 0.0

    def advance(self, count: int) -> None:
        """Add `count` to what is done; after the last one the line goes, and counting starts anew."""
        if not self._visible:
            return
        with self._lock:
            self._done += count
            now = monotonic()
            if self._done >= self._total:
                if self._shown:
                    self._stream.write("\r\x1b[K")
                    self._stream.flush()
                self._restart()
            elif now - self._start > PATIENCE and now - self._shown > INTERVAL:
                left = (now - self._start) * (self._total - self._done) / self._done
                share = self._done / self._total
                self._stream.write(
                    f"\r\x1b[K{self._label}: {self._done:,} of {self._total:,} ({share:.0%}), "
                    f"{int(left) // 60}:{int(left) % 60:02d} left"
                )
                self._stream.flush()
                self._shown = now
