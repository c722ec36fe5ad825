"""What the doctor saw, as text: Markdown, or one HTML file that needs nothing else."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from surrogate.corpus.doctor import Examination, scaled_parameters
from surrogate.corpus.findings import COLUMNS, SEVERE
from surrogate.parameters import PARAMETERS

BINS = 10
BARS = " ▁▂▃▄▅▆▇█"


def coverage(parameters: Any) -> list[dict[str, Any]]:
    """Tell how a corpus covers each parameter.

    Parameters
    ----------
    parameters : array, shape (simulation, 5), SI units

    Returns
    -------
    list of dict
        For each parameter ``name``, ``unit``, ``low`` and ``high`` of the reference corpus, ``minimum`` and
        ``maximum`` found, ``counts`` in ten equal parts of the range on the natural axis, ``outside`` of it.
    """
    parameters = np.asarray(parameters, dtype=float).reshape(-1, len(PARAMETERS))
    scaled = scaled_parameters(parameters)
    rows = []
    for column, parameter in enumerate(PARAMETERS):
        inside = (scaled[:, column] >= -1e-9) & (scaled[:, column] <= 1 + 1e-9)
        counts, _ = np.histogram(np.clip(scaled[inside, column], 0, 1), bins=BINS, range=(0, 1))
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
    return "".join(BARS[-(-count * (len(BARS) - 1) // top)] for count in counts)


def _summary(examination: Examination) -> list[str]:
    files = {finding.file for finding in examination.findings}
    lines = [
        f"{len(examination.runs)} runs read, {examination.severe} with severe findings (left out of a corpus), "
        f"{len(files) - examination.severe} with warnings only (kept and flagged)."
    ]
    if examination.runs:
        counts = [len(run["times"]) for run in examination.runs]
        ends = [run["times"][-1] for run in examination.runs]
        shapes = Counter(tuple(run["shape"]) for run in examination.runs)
        grids = ", ".join(f"{rows} x {columns} ({count} runs)" for (rows, columns), count in shapes.most_common(3))
        lines.append(
            f"Snapshots {min(counts)} .. {max(counts)} per run, ends at {min(ends):.4g} .. {max(ends):.4g} Gyr, "
            f"grids {grids}."
        )
    return lines


def _points(examination: Examination) -> np.ndarray:
    return np.array([run["parameters"] for run in examination.runs], dtype=float).reshape(-1, len(PARAMETERS))


def _coverage_rows(examination: Examination) -> list[list[str]]:
    return [
        [
            row["name"].replace("_", " ") + ("" if row["unit"] == "dimensionless" else f" [{row['unit']}]"),
            f"{row['low']:g} .. {row['high']:g}",
            "-" if row["minimum"] is None else f"{row['minimum']:.4g} .. {row['maximum']:.4g}",
            bars(row["counts"]),
            str(row["outside"]),
        ]
        for row in coverage(_points(examination))
    ]


COVERAGE_HEADER = ["parameter", "range of the reference corpus", "found", "runs per tenth of the range", "outside"]


def markdown_report(examination: Examination) -> str:
    """Write an examination as Markdown: summary, findings, coverage of parameter space."""
    kinds = Counter((finding.severity, finding.what) for finding in examination.findings)
    parts = [f"# Health of {examination.source}", "", *_summary(examination), ""]
    if kinds:
        parts += _markdown(["severity", "what", "findings"], [[*kind, str(n)] for kind, n in sorted(kinds.items())])
        parts += ["", "## Findings", ""]
        parts += _markdown(list(COLUMNS), [[str(cell) for cell in row] for row in examination.table().to_numpy()])
    else:
        parts.append("Nothing is wrong with them.")
    parts += ["", "## Coverage of parameter space", "", *_markdown(COVERAGE_HEADER, _coverage_rows(examination))]
    return "\n".join(parts) + "\n"


def _markdown(header: list[str], rows: list[list[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(row) + " |" for row in cells),
    ]


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; } td, th { padding: .25em .8em; text-align: left;
border-bottom: 1px solid #ddd; vertical-align: top; } th { border-bottom: 2px solid #888; }
tr.severe td:nth-child(4) { color: #a3123a; font-weight: 600; } svg text { font: 10px system-ui, sans-serif; }
"""


def html_report(examination: Examination) -> str:
    """Write an examination as one HTML page, with every pair of parameters drawn."""
    title = html.escape(f"Health of {examination.source}")
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"</head><body><h1>{title}</h1>",
        *(f"<p>{html.escape(line)}</p>" for line in _summary(examination)),
        "<h2>Findings</h2>",
    ]
    rows = [[str(cell) for cell in row] for row in examination.table().to_numpy()]
    classes = [row[COLUMNS.index("severity")] for row in rows]
    parts.append(_html_table(list(COLUMNS), rows, classes) if rows else "<p>Nothing is wrong.</p>")
    parts += [
        "<h2>Coverage of parameter space</h2>",
        _html_table(COVERAGE_HEADER, _coverage_rows(examination)),
        "<p>Each point is a run; the frame is the range of the reference corpus. Red: severe finding, orange: "
        "warning.</p>",
        _scatter_matrix(examination),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _html_table(header: list[str], rows: list[list[str]], classes: Sequence[str] = ()) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    lines = []
    for number, row in enumerate(rows):
        style = f' class="{html.escape(classes[number])}"' if classes else ""
        lines.append(f"<tr{style}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>")
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _scatter_matrix(examination: Examination, size: int = 120, gap: int = 24) -> str:
    severe = {finding.file for finding in examination.findings if finding.severity == SEVERE}
    flagged = {finding.file for finding in examination.findings} - severe
    colours = [
        "#c2123f" if run["file"] in severe else "#e08a00" if run["file"] in flagged else "#2b5f8a"
        for run in examination.runs
    ]
    points = np.clip(scaled_parameters(_points(examination)), -0.05, 1.05)
    step = size + gap
    shapes = []
    count = len(PARAMETERS)
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
                name = PARAMETERS[row].name.replace("_", " ")
                shapes.append(
                    f'<text transform="translate({gap - 6},{top + size}) rotate(-90)">{html.escape(name)}</text>'
                )
            if row == count - 1:
                name = PARAMETERS[column].name.replace("_", " ")
                shapes.append(f'<text x="{left}" y="{top + size + 14}">{html.escape(name)}</text>')
    extent = gap + (count - 1) * step
    return f'<svg width="{extent}" height="{extent + 12}" role="img">{"".join(shapes)}</svg>'
