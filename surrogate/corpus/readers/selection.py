"""Parts of stored arrays that look like arrays: one run of a file of several, several files that are one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogate.corpus.readers.gaps import Check, Key


@dataclass(frozen=True)
class Selected:
    """An entry of the leading axes of a stored array, or of several arrays that follow each other along the next axis.

    Attributes
    ----------
    parts : sequence of arrays
        Of one shape but for the axis along which they follow each other.
    lead : tuple of int
        The entry.
    dimensions : sequence of str
        Of what is left.
    check : callable
        Finds what of a part was never written.
    """

    parts: Sequence[Any]
    lead: tuple[int, ...]
    dimensions: Sequence[str]
    check: Callable[[Any], Check]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the entry, all parts together."""
        inner = [part.shape[len(self.lead) :] for part in self.parts]
        return (sum(shape[0] for shape in inner), *inner[0][1:]) if inner[0] else ()

    @property
    def dtype(self) -> Any:
        """Of the values."""
        return self.parts[0].dtype

    def __getitem__(self, key: Key) -> np.ndarray:
        if len(self.parts) == 1:
            return np.asarray(self.parts[0][(*self.lead, *key)])
        first = np.arange(self.shape[0])[key[0]]
        pieces = [self.parts[place][(*self.lead, row, *key[1:])] for place, row in self._rows(np.atleast_1d(first))]
        return np.asarray(pieces if np.ndim(first) else pieces[0])

    def missing(self, key: Key) -> str | None:
        """Say what of a slice was never written."""
        for part in self.parts:
            inner = key if len(self.parts) == 1 else (slice(None), *key[1:])
            found = self.check(part)((*self.lead, *inner))
            if found is not None:
                return found
        return None

    def _rows(self, numbers: np.ndarray) -> Iterator[tuple[int, int]]:
        ends = np.cumsum([part.shape[len(self.lead)] for part in self.parts])
        for number in numbers.tolist():
            place = int(np.searchsorted(ends, number, side="right"))
            yield place, number - (int(ends[place - 1]) if place else 0)
