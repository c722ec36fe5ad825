"""Tables of parameters that people write by hand or save from a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from surrogate.corpus.readers import ReaderError
from surrogate.parameters import RESERVED, Stated, known_parameter
from surrogate.units import UnitError

KEY = "run"
"""Column that names the run: its file or folder, with or without suffix."""

_HEAD = re.compile(r"(?P<name>[^\[(]*[^\[(\s])\s*(?:[\[(](?P<unit>[^\])]*)[\])])?")


@dataclass(frozen=True)
class TableRow:
    """The row of one run.

    Attributes
    ----------
    values : dict
        Numbers by the name of their column, made an identifier; empty cells are left out.
    unread : dict
        By name, why a cell is no number: it may be a remark.
    """

    values: dict[str, Stated]
    unread: dict[str, str]


def identifier(text: str) -> str:
    """Make the heading of a column, or a name in a file, the name of a parameter.

    >>> identifier("Yield stress"), identifier("scalars/Ra-number")
    ('Yield_stress', 'Ra_number')
    """
    return re.sub(r"\W+", "_", text.rsplit("/", 1)[-1]).strip("_")


def parameter_name(text: str) -> str:
    """As :func:`identifier`; a name that has another meaning here is told from it by an underscore.

    >>> parameter_name("Random seed"), parameter_name("seed")
    ('Random_seed', 'seed_')
    """
    name = identifier(text)
    return f"{name}_" if name in RESERVED else name


def read_text(path: Path) -> str:
    """Read a text file in whatever encoding spreadsheets save: UTF-8 with or without mark, UTF-16, Latin-1."""
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def read_table_row(path: Path, run: Path) -> TableRow:
    r"""Read the parameters of a run from a table.

    Parameters
    ----------
    path : Path
        Columns are parted by commas, semicolons or tabs; the first line names them, with a unit in brackets if need
        be: ``activation_energy [kJ/mol]``. Cells hold numbers or texts with units.
    run : Path
        Looked for in the column ``run``; of a folder that is not there the one above.

    Raises
    ------
    ReaderError
        Naming the table, the line and the column.

    Examples
    --------
    >>> import tempfile
    >>> table = Path(tempfile.mkdtemp()) / "table.csv"
    >>> _ = table.write_text("run; activation_energy [kJ/mol]; initial_temperature\nm1; 300; 1426.85 degC")
    >>> read_table_row(table, Path("m1.nc")).values["activation_energy"]
    Stated(value=300000.0, unit='J/mol')
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
    names = [parameter_name(head["name"]) if head else "" for head in heads]
    if KEY not in names or len({name for name in names if name}) < len([name for name in names if name]):
        raise ReaderError(f"{path}: expected the column {KEY!r} and columns of parameters, each once, got {names}")
    place = names.index(KEY)

    def rows(*wanted: str) -> list[tuple[int, list[str]]]:
        return [(number, cells) for number, cells in lines[1:] if len(cells) > place and cells[place] in wanted]

    found = rows(run.name, run.stem, str(run))
    if not found and run.is_dir():  # run_12/snapshots: the folder above tells the runs apart
        found = rows(run.absolute().parent.name)
    if len(found) != 1:
        raise ReaderError(f"{path}: {len(found)} rows for run {run.name!r}, expected one (column {KEY!r})")
    number, cells = found[0]
    if len(cells) != len(names):
        raise ReaderError(f"{path}: line {number}: {len(cells)} cells, the first line names {len(names)} columns")
    row = TableRow({}, {})
    for name, head, cell in zip(names, heads, cells, strict=True):
        if head is None or name == KEY or not cell:
            continue
        try:
            row.values[name] = Stated.read(name, cell, f"{path}: line {number}: column {name!r}", head["unit"])
        except UnitError as error:
            if known_parameter(name) is not None:
                raise ReaderError(str(error)) from error
            row.unread[name] = str(error)
    return row
