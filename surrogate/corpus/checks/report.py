"""What the doctor saw, and what a raw run or a corpus holds, for people: text, Markdown, one HTML file."""

from __future__ import annotations

import html
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surrogate.config import ParameterSettings
from surrogate.corpus.checks.doctor import Examination, known_ranges
from surrogate.corpus.checks.run import describe_run
from surrogate.corpus.readers import (
    ReaderError,
    choose_reader,
    expand_runs,
    notes_of,
    open_run,
    reader_names,
    split_member,
)
from surrogate.corpus.readers.containers import is_container, open_container
from surrogate.corpus.readers.plausibility import implausible_axes, implausible_temperature
from surrogate.corpus.records import SEVERE, Finding, RunRecord
from surrogate.corpus.space import agree
from surrogate.corpus.store import open_corpus, provenance_of, statistics
from surrogate.fields import SPLITS, geometry_of, parameter_table, space_of, units_of
from surrogate.parameters import ParameterSpace
from surrogate.quantities import SERIES, units_named

COVERAGE_BINS = 10
BAR_BLOCKS = " ▁▂▃▄▅▆▇█"


def coverage(parameters: Any, space: ParameterSpace) -> list[dict[str, Any]]:
    """Tell how a corpus covers each parameter.

    Parameters
    ----------
    parameters : array, shape (simulation, n)
    space : ParameterSpace

    Returns
    -------
    list of dict
        For each parameter ``name``, ``unit``, ``low`` and ``high`` of its range, ``minimum`` and ``maximum`` found,
        ``counts`` in ten equal parts of the range on the natural axis, ``outside`` of it.
    """
    parameters = np.asarray(parameters, dtype=float).reshape(-1, len(space))
    space = known_ranges(space, parameters)
    scaled = space.scale(parameters)
    rows = []
    for column, parameter in enumerate(space):
        inside = (scaled[:, column] >= -1e-9) & (scaled[:, column] <= 1 + 1e-9)
        counts, _ = np.histogram(np.clip(scaled[inside, column], 0, 1), bins=COVERAGE_BINS, range=(0, 1))
        rows.append(
            {
                "name": parameter.name,
                "unit": parameter.unit,
                "low": parameter.low,
                "high": parameter.high,
                "minimum": float(parameters[:, column].min()) if len(parameters) else None,
                "maximum": float(parameters[:, column].max()) if len(parameters) else None,
                "counts": counts.tolist(),
                "outside": int((~inside).sum()),
            }
        )
    return rows


def bars(counts: Sequence[int]) -> str:
    """Draw counts as a line of blocks.

    >>> bars([0, 1, 2, 4])
    ' ▂▄█'
    """
    top = max([*counts, 1])
    return "".join(BAR_BLOCKS[-(-count * (len(BAR_BLOCKS) - 1) // top)] for count in counts)


def _summary(examination: Examination) -> list[str]:
    files = {finding.file for finding in examination.findings}
    lines = [
        f"{len(examination.runs)} runs read, {examination.severe} with severe findings (left out of a corpus), "
        f"{len(files) - examination.severe} with warnings only (kept and flagged)."
    ]
    if examination.runs:
        counts = [len(run.times) for run in examination.runs]
        ends = [run.times[-1] for run in examination.runs]
        time = units_named(examination.runs[0].units).time.text
        shapes = Counter(run.shape for run in examination.runs)
        grids = ", ".join(f"{rows} x {columns} ({count} runs)" for (rows, columns), count in shapes.most_common(3))
        lines.append(
            f"Snapshots {min(counts)} .. {max(counts)} per run, ends at {time(min(ends))} .. {time(max(ends))}, "
            f"grids {grids}."
        )
    return [*lines, *(f"Parameters: {note}." for note in examination.notes)]


def _points(examination: Examination) -> np.ndarray:
    points = [run.parameters for run in examination.runs]
    return np.array(points, dtype=float).reshape(-1, len(examination.space))


def _coverage_rows(examination: Examination) -> list[list[str]]:
    return [
        [
            row["name"].replace("_", " ") + ("" if row["unit"] == "dimensionless" else f" [{row['unit']}]"),
            f"{row['low']:g} .. {row['high']:g}",
            "-" if row["minimum"] is None else f"{row['minimum']:.4g} .. {row['maximum']:.4g}",
            bars(row["counts"]),
            str(row["outside"]),
        ]
        for row in coverage(_points(examination), examination.space)
    ]


COVERAGE_HEADER = ["parameter", "range", "found", "runs per tenth of the range", "outside"]


FINDING_HEADER = ["severity", "what", "runs", "message"]


def finding_rows(findings: Sequence[Finding], most: int | None = None) -> list[list[str]]:
    """Write one row for all runs of which the same is said but for the numbers in it, severe ones first.

    Parameters
    ----------
    findings : sequence of Finding
    most : int, optional
        Runs that are named in a row. Default: all.

    Returns
    -------
    list of list of str
        Cells under :data:`FINDING_HEADER`; the message is that of the first run.
    """
    groups: dict[tuple[bool, str, str], list[Finding]] = {}
    for entry in findings:
        kind = re.sub(r"[-+]?\d[\d.]*(e[-+]?\d+)?", "#", entry.message.replace(entry.file, "FILE"))
        groups.setdefault((entry.severity != SEVERE, entry.what, kind), []).append(entry)
    rows = []
    for (_, what, _), entries in sorted(groups.items(), key=lambda group: group[0][0]):
        runs = [Path(entry.file).name or str(entry.simulation) for entry in entries]
        named = ", ".join(runs[:most]) + (f" and {len(runs) - most} more" if most and len(runs) > most else "")
        others = f" (and {len(entries) - 1} like it)" if len(entries) > 1 else ""
        rows.append([entries[0].severity, what, named, entries[0].message + others])
    return rows


def markdown_report(examination: Examination) -> str:
    """Write an examination as Markdown: summary, findings, coverage of parameter space."""
    kinds = Counter((finding.severity, finding.what) for finding in examination.findings)
    parts = [f"# Health of {examination.source}", "", *_summary(examination), ""]
    if kinds:
        parts += _markdown(["severity", "what", "findings"], [[*kind, str(n)] for kind, n in sorted(kinds.items())])
        parts += ["", "## Findings", ""]
        parts += _markdown(FINDING_HEADER, finding_rows(examination.findings))
    else:
        parts.append("Nothing is wrong with them.")
    if examination.runs:
        parts += ["", "## Coverage of parameter space", "", *_markdown(COVERAGE_HEADER, _coverage_rows(examination))]
    return "\n".join(parts) + "\n"


def _markdown(header: list[str], rows: list[list[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(row) + " |" for row in cells),
    ]


PAGE_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; } td, th { padding: .25em .8em; text-align: left;
border-bottom: 1px solid #ddd; vertical-align: top; } th { border-bottom: 2px solid #888; }
tr.severe td:nth-child(1) { color: #a3123a; font-weight: 600; } svg text { font: 10px system-ui, sans-serif; }
"""


def html_report(examination: Examination) -> str:
    """Write an examination as one HTML page, with every pair of parameters drawn."""
    title = html.escape(f"Health of {examination.source}")
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{PAGE_STYLE}</style>'
        f"</head><body><h1>{title}</h1>",
        *(f"<p>{html.escape(line)}</p>" for line in _summary(examination)),
        "<h2>Findings</h2>",
    ]
    rows = finding_rows(examination.findings)
    parts.append(_html_table(FINDING_HEADER, rows, [row[0] for row in rows]) if rows else "<p>Nothing is wrong.</p>")
    if examination.runs:
        parts += [
            "<h2>Coverage of parameter space</h2>",
            _html_table(COVERAGE_HEADER, _coverage_rows(examination)),
            "<p>Each point is a run; the frame is the range of the parameters. Red: severe finding, orange: "
            "warning.</p>",
            _pair_plots(examination),
        ]
    parts.append("</body></html>")
    return "\n".join(parts) + "\n"


def _html_table(header: list[str], rows: list[list[str]], classes: Sequence[str] = ()) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    lines = []
    for number, row in enumerate(rows):
        style = f' class="{html.escape(classes[number])}"' if classes else ""
        lines.append(f"<tr{style}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>")
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _pair_plots(examination: Examination, size: int = 120, gap: int = 24) -> str:
    severe = {finding.file for finding in examination.findings if finding.severity == SEVERE}
    flagged = {finding.file for finding in examination.findings} - severe
    colours = [
        "#c2123f" if run.file in severe else "#e08a00" if run.file in flagged else "#2b5f8a" for run in examination.runs
    ]
    space = known_ranges(examination.space, _points(examination))
    points = np.clip(space.scale(_points(examination)), -0.05, 1.05)
    step = size + gap
    shapes = []
    count = len(space)
    for row in range(1, count):
        for column in range(row):
            left, top = gap + column * step, (row - 1) * step + gap
            shapes.append(
                f'<rect x="{left}" y="{top}" width="{size}" height="{size}" fill="none" stroke="#999"/>'
                + "".join(
                    f'<circle cx="{left + size * x:.1f}" cy="{top + size * (1 - y):.1f}" r="1.8" fill="{colour}"/>'
                    for (x, y), colour in zip(points[:, [column, row]], colours, strict=True)
                )
            )
            if column == 0:
                name = space[row].title
                shapes.append(
                    f'<text transform="translate({gap - 6},{top + size}) rotate(-90)">{html.escape(name)}</text>'
                )
            if row == count - 1:
                name = space[column].title
                shapes.append(f'<text x="{left}" y="{top + size + 14}">{html.escape(name)}</text>')
    extent = gap + (count - 1) * step
    return f'<svg width="{extent}" height="{extent + 12}" role="img">{"".join(shapes)}</svg>'


def inspect_file(
    path: str | os.PathLike[str],
    reader: str = "auto",
    options: Mapping[str, Any] | None = None,
    parameters: Mapping[str, ParameterSettings] | None = None,
) -> dict[str, Any]:
    """Find out which reader takes a raw run, and what is in it.

    Returns
    -------
    dict
        ``file``, ``reader`` (None if none takes it), ``problem`` (None, or why it cannot be read), ``arrays`` (of a
        container that no reader understands yet: names and shapes, to write a mapping from); of a readable run
        ``snapshots``, ``time``, ``grid``, ``domain``, ``units``, ``parameters``, ``outside``, ``series``,
        ``first`` and ``last`` (temperature range of these snapshots, K), ``left_out`` and ``warnings`` of the reader,
        ``attributes``.

    Raises
    ------
    FileNotFoundError
    """
    if not split_member(path)[0].exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected a raw run or a corpus")
    content: dict[str, Any] = {"file": str(path), "reader": None, "problem": None, "arrays": None}
    try:
        content["reader"] = choose_reader(split_member(path)[0]).name if reader == "auto" else reader
        runs = expand_runs([path], content["reader"])
        content["runs"] = len(runs)
        with open_run(runs[0], content["reader"], options) as run:
            geometry = geometry_of(run)
            record = describe_run(RunRecord(runs[0]), run)
            found = agree([record], parameters)
            values, _ = found.select(record)
            first, last = run.temperature[0].values, run.temperature[-1].values
            content |= {
                "snapshots": run.sizes["time"],
                "time": [float(run.time[0]), float(run.time[-1])],
                "grid": list(geometry.shape),
                "domain": str(geometry.domain),
                "units": units_of(run).name,
                "parameters": dict(zip(found.space.names, values.tolist(), strict=True)),
                "parameter_units": {entry.name: entry.unit for entry in found.space},
                "notes": list(found.notes),
                "outside": found.space.outside(values),
                "series": [name for name in SERIES if name in run],
                "first": [float(first.min()), float(first.max())],
                "last": [float(last.min()), float(last.max())],
                "left_out": list(notes_of(run).left_out),
                "warnings": [
                    *notes_of(run).warnings,
                    *(line for line, _ in implausible_axes(run)),
                    *implausible_temperature(run),
                ],
                "attributes": {str(name): str(value) for name, value in run.attrs.items()},
            }
    except (ValueError, OSError) as error:
        content["problem"] = str(error)
        content["arrays"] = _arrays(split_member(path)[0])
    return content


def _arrays(path: Path) -> dict[str, list[int]] | None:
    if not is_container(path):
        return None
    try:
        with open_container(path) as container:
            return container.shapes()
    except ReaderError:
        return None


def inspection_text(content: Mapping[str, Any]) -> str:
    """Write what :func:`inspect_file` found for people."""
    lines = [f"{content['file']}: reader {content['reader'] or 'none'} (installed: {', '.join(reader_names())})"]
    if content["problem"]:
        lines.append(f"cannot be read: {content['problem']}")
        if content["arrays"]:
            lines.append("it holds:")
            lines += [f"  {name}  {tuple(shape)}" for name, shape in content["arrays"].items()]
            lines.append("the reader 'gridded' reads these when its options say which is what")
        return "\n".join(lines)
    rows, columns = content["grid"]
    units = units_named(content["units"])
    warmth, ages = units.temperature.text, [units.time.text(age) for age in content["time"]]
    if content["runs"] > 1:
        lines.append(f"{content['runs']} runs, {content['file']}#0 .. #{content['runs'] - 1}; the first:")
    lines += [
        f"{content['snapshots']} snapshots from {ages[0]} to {ages[1]}",
        f"{rows} x {columns} (rows with both walls x columns); {content['domain']}",
        f"temperature {warmth(content['first'][0])} .. {warmth(content['first'][1])} at first, "
        f"{warmth(content['last'][0])} .. {warmth(content['last'][1])} at last",
        *(
            f"  {name} = {value:.6g} {content['parameter_units'][name]}"
            for name, value in content["parameters"].items()
        ),
        *(f"  {line}" for line in content["notes"]),
        f"series: {', '.join(content['series']) or 'none'}",
        *([f"left out: {', '.join(content['left_out'])}"] if content["left_out"] else []),
        *(f"warning: {line}" for line in [*content["warnings"], *content["outside"]]),
    ]
    return "\n".join(lines)


def show_store(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Tell what a corpus holds, where it comes from and what is wrong with it.

    Returns
    -------
    dict
        ``store``, ``shape``, ``chunks``, ``shards``, ``encoding``, ``bytes`` (stored and as float32), ``split``,
        ``snapshots``, ``units``, ``time``, ``coverage``, ``constants`` (parameters that do not vary), ``statistics``,
        ``settings``, ``software``, ``readers``, ``flagged``, ``rejected``.
    """
    corpus, notes = open_corpus(path), provenance_of(path)
    temperature = corpus.temperature
    encoding = str(notes.settings["corpus"]["encoding"])
    stored = sum(entry.stat().st_size for entry in (Path(path) / "temperature").rglob("*") if entry.is_file())
    times = corpus.snapshot_time.values
    readers = sorted({run.reader for run in notes.runs})
    return {
        "store": str(path),
        "shape": dict(zip(map(str, temperature.dims), temperature.shape, strict=True)),
        "encoding": encoding,
        "bytes": {"stored": stored, "as_float32": int(corpus.snapshot_count.sum()) * 4 * temperature[0, 0].size},
        "split": {name: int((corpus.split.values == index).sum()) for index, name in enumerate(SPLITS)},
        "snapshots": int(corpus.snapshot_count.sum()),
        "units": units_of(corpus).name,
        "time": [float(np.nanmin(times)), float(np.nanmax(times))],
        "coverage": coverage(parameter_table(corpus), space_of(corpus)),
        "constants": json.loads(corpus.attrs.get("constant_parameters", "{}")),
        "statistics": statistics(corpus),
        "settings": notes.settings,
        "software": notes.software,
        "readers": readers,
        "source_bytes": sum(run.size for run in notes.runs),
        "flagged": [finding.as_dict() for finding in notes.findings],
        "rejected": [finding.as_dict() for finding in notes.rejected],
    }


def store_text(content: Mapping[str, Any]) -> str:
    """Write what :func:`show_store` found for people."""
    size, units = content["bytes"], units_named(content["units"])
    warmth, ages = units.temperature.text, [units.time.text(age) for age in content["time"]]
    temperature = content["statistics"]["temperature"]
    lines = [
        f"{content['store']}: " + " x ".join(f"{count} {name}" for name, count in content["shape"].items()),
        f"{content['snapshots']} snapshots, {ages[0]} .. {ages[1]}; "
        + ", ".join(f"{count} {name}" for name, count in content["split"].items()),
        f"{size['stored'] / 1e6:.1f} MB as {content['encoding']}, {size['as_float32'] / 1e6:.1f} MB unpacked; made of "
        f"{content['source_bytes'] / 1e6:.1f} MB read by {', '.join(content['readers'])}",
        f"temperature of the training runs: {warmth(temperature['minimum'])} .. {warmth(temperature['maximum'])}, mean "
        f"{warmth(temperature['mean'])}, standard deviation {warmth(temperature['standard_deviation'])}",
    ]
    width = max(len(row["name"]) for row in content["coverage"])
    for row in content["coverage"]:
        lines.append(
            f"  {row['name']:<{width}}  {bars(row['counts'])}  {row['minimum']:.4g} .. {row['maximum']:.4g}"
            f" {row['unit']}  ({row['outside']} outside {row['low']:g} .. {row['high']:g})"
        )
    lines += [f"  {name} = {value:.6g} {unit} in every run" for name, (value, unit) in content["constants"].items()]
    for title, name in (("kept and flagged", "flagged"), ("left out", "rejected")):
        entries = content[name]
        lines.append(f"{title}: {len({entry['file'] for entry in entries})}")
        lines += [f"  run {entry['simulation']}: {entry['what']}: {entry['message']}" for entry in entries[:20]]
        if len(entries) > 20:
            lines.append(f"  ... and {len(entries) - 20} more findings")
    return "\n".join(lines)
