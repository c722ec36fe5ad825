"""How long a NetCDF file of the classic formats must be: its library gives zeros for what a stopped copy lacks.

Format: "NetCDF Classic Format Specification" of Unidata; CDF-1, CDF-2 (64-bit offset) and CDF-5 (64-bit data).
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Bytes of a value by the number of its type."""

_STREAMING = (2**32 - 1, 2**64 - 1)
"""Numbers of records that say that it is not known."""


class _Header:
    """Reads the header of a file from its beginning."""

    def __init__(self, path: Path) -> None:
        self.stream = path.open("rb")
        self.version = self.stream.read(4)[3]
        self.count_form = ">Q" if self.version == 5 else ">I"
        self.offset_form = ">I" if self.version == 1 else ">Q"

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.stream.read(struct.calcsize(form)))[0])

    def count(self) -> int:
        return self.number(self.count_form)

    def skip(self, size: int) -> None:
        """Pass over bytes that are padded to a multiple of four."""
        self.stream.seek(-(-size // 4) * 4, 1)

    def entries(self) -> range:
        """Return the entries of a list, whose tag is read and not needed."""
        self.number(">I")
        return range(self.count())

    def skip_attributes(self) -> None:
        for _ in self.entries():
            self.skip(self.count())
            kind = self.number(">I")
            self.skip(self.count() * _SIZES[kind])


def needed_bytes(path: Path) -> int:
    """Return how many bytes the file must have for all that its header announces, without padding at its end.

    Raises
    ------
    struct.error, KeyError
        If the header itself is cut or of no kind that is known.
    """
    header = _Header(path)
    with header.stream:
        records = header.count()
        lengths = []
        for _ in header.entries():
            header.skip(header.count())
            lengths.append(header.count())
        header.skip_attributes()
        ends, record_sizes, record_starts = [header.stream.tell()], [], []
        for _ in header.entries():
            header.skip(header.count())
            shape = [lengths[header.count()] for _ in range(header.count())]
            header.skip_attributes()
            kind = header.number(">I")
            header.count()  # its size, which is wrong for large ones
            start = header.number(header.offset_form)
            if shape and shape[0] == 0:  # 0 says that the dimension is that of the records
                record_sizes.append(math.prod(shape[1:]) * _SIZES[kind])
                record_starts.append(start)
            else:
                ends.append(start + math.prod(shape) * _SIZES[kind])
    if records and records not in _STREAMING and record_sizes:
        # A single variable is not padded between its records.
        step = record_sizes[0] if len(record_sizes) == 1 else sum(-(-size // 4) * 4 for size in record_sizes)
        ends += [start + (records - 1) * step + size for start, size in zip(record_starts, record_sizes, strict=True)]
    return max(ends)
