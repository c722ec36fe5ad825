"""Tables of parameters that people write by hand or save from a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from surrogate.corpus.readers import ReaderError
from surrogate.parameters import EVOLUTION_PARAMETERS, ParameterSpace
from surrogate.units import UnitError, read_quantity

KEY = "run"
"""Column that names the run: its file or folder, with or without suffix."""

_HEAD = re.compile(r"(?P<name>[^\[(]*[^\[(\s])\s*(?:[\[(](?P<unit>[^\])]*)[\])])?")


@dataclass(frozen=True)
class TableRow:
    """The row of one run.

    Attributes
    ----------
    values : dict
        Parameters by name, in the units of the space; empty cells are left out.
    left_out : tuple of str
        Columns that are no parameter.
    """

    values: dict[str, float]
    left_out: tuple[str, ...]


def read_text(path: Path) -> str:
    """Read a text file in whatever encoding spreadsheets save: UTF-8 with or without mark, UTF-16, Latin-1."""
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read_table_row(path: Path, run: Path, space: ParameterSpace = EVOLUTION_PARAMETERS) -> TableRow:
    r"""Read the parameters of a run from a table.

    Parameters
    ----------
    path : Path
        Columns are parted by commas, semicolons or tabs; the first line names them, with a unit in brackets if need
        be: ``activation_energy [kJ/mol]``. Cells hold numbers or texts with units.
    run : Path
        Looked for in the column ``run``.
    space : ParameterSpace, optional

    Raises
    ------
    ReaderError
        Naming the table, the line and the column.

    Examples
    --------
    >>> import tempfile
    >>> table = Path(tempfile.mkdtemp()) / "table.csv"
    >>> _ = table.write_text("run; activation_energy [kJ/mol]; initial_temperature\nm1; 300; 1426.85 degC")
    >>> read_table_row(table, Path("m1.nc")).values
    {'activation_energy': 300000.0, 'initial_temperature': 1700.0}
    """
    if not path.is_file():
        raise ReaderError(f"{path}: no such file; option 'parameters' must be a mapping or a CSV table")
    text = read_text(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise ReaderError(f"{path}: line {reader.line_num}: {error}") from None
    heads = [_HEAD.fullmatch(cell) for cell in lines[0][1]] if lines else []
    names = [head["name"] if head else "" for head in heads]
    if KEY not in names or len({name for name in names if name}) < len([name for name in names if name]):
        raise ReaderError(f"{path}: expected the column {KEY!r} and columns of parameters, each once, got {names}")
    wanted = {run.name, run.stem, str(run)}
    place = names.index(KEY)
    found = [(number, cells) for number, cells in lines[1:] if cells[place : place + 1] and cells[place] in wanted]
    if len(found) != 1:
        raise ReaderError(f"{path}: {len(found)} rows for run {run.name!r}, expected one (column {KEY!r})")
    number, cells = found[0]
    if len(cells) != len(names):
        raise ReaderError(f"{path}: line {number}: {len(cells)} cells, the first line names {len(names)} columns")
    units = {name: head["unit"] for name, head in zip(names, heads, strict=True) if head}
    values = _values(dict(zip(names, cells, strict=True)), units, space, f"{path}: line {number}: column")
    return TableRow(
        values, tuple(f"column {name!r} of {path.name}" for name in names if name not in (KEY, "", *space.names))
    )


def _values(
    cells: Mapping[str, str], units: Mapping[str, str | None], space: ParameterSpace, where: str
) -> dict[str, float]:
    values = {}
    for parameter in space:
        if cells.get(parameter.name):
            name = f"{where} {parameter.name!r}"
            try:
                values[parameter.name] = read_quantity(
                    cells[parameter.name], parameter.unit, name, units[parameter.name]
                ).item()
            except UnitError as error:
                raise ReaderError(str(error)) from error
    return values
