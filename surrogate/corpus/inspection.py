"""What is in a raw run or in a corpus, in words: what ``surrogate corpus inspect`` and ``show`` print."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from surrogate.corpus.readers import ReaderError, choose_reader, open_run, reader_names
from surrogate.corpus.readers.containers import is_container, open_container
from surrogate.corpus.report import bars, coverage
from surrogate.corpus.store import open_corpus, provenance_of, statistics
from surrogate.fields import SERIES, SPLITS, annulus_of, parameter_table, parameters_of


def inspect_file(
    path: str | os.PathLike[str], reader: str = "auto", options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Find out which reader takes a raw run, and what is in it.

    Returns
    -------
    dict
        ``file``, ``reader`` (None if none takes it), ``problem`` (None, or why it cannot be read), ``arrays`` (of a
        container that no reader understands yet: names and shapes, to write a mapping from); of a readable run
        ``snapshots``, ``time``, ``grid``, ``radius``, ``angle_degrees``, ``parameters``, ``outside``, ``series``,
        ``first`` and ``last`` (temperature range of these snapshots, K), ``attributes``.

    Raises
    ------
    FileNotFoundError
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder; expected a raw run or a corpus")
    content: dict[str, Any] = {"file": str(path), "reader": None, "problem": None, "arrays": None}
    try:
        content["reader"] = choose_reader(path).name if reader == "auto" else reader
        with open_run(path, content["reader"], options) as run:
            annulus = annulus_of(run)
            parameters = parameters_of(run)
            first, last = run.temperature[0].values, run.temperature[-1].values
            content |= {
                "snapshots": run.sizes["time"],
                "time": [float(run.time[0]), float(run.time[-1])],
                "grid": list(annulus.shape),
                "radius": annulus.radius_faces[[0, -1]].tolist(),
                "angle_degrees": float(np.degrees(annulus.angle_faces[-1] - annulus.angle_faces[0])),
                "parameters": parameters.as_dict(),
                "outside": parameters.outside(),
                "series": [name for name in SERIES if name in run],
                "first": [float(first.min()), float(first.max())],
                "last": [float(last.min()), float(last.max())],
                "attributes": {str(name): str(value) for name, value in run.attrs.items()},
            }
    except (ValueError, OSError) as error:
        content["problem"] = str(error)
        content["arrays"] = _arrays(path)
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
    inner, outer = content["radius"]
    lines += [
        f"{content['snapshots']} snapshots from {content['time'][0]:.4g} to {content['time'][1]:.4g} Gyr",
        f"{rows} x {columns} (radius with both walls x angle), {inner / 1e3:.5g} .. {outer / 1e3:.5g} km, "
        f"{content['angle_degrees']:.4g} degrees",
        f"temperature {content['first'][0]:.1f} .. {content['first'][1]:.1f} K at first, "
        f"{content['last'][0]:.1f} .. {content['last'][1]:.1f} K at last",
        *(f"  {name} = {value:.6g}" for name, value in content["parameters"].items()),
        f"series: {', '.join(content['series']) or 'none'}",
        *(f"warning: {line}" for line in content["outside"]),
    ]
    return "\n".join(lines)


def show_store(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Tell what a corpus holds, where it comes from and what is wrong with it.

    Returns
    -------
    dict
        ``store``, ``shape``, ``chunks``, ``shards``, ``encoding``, ``bytes`` (stored and as float32), ``split``,
        ``snapshots``, ``time``, ``coverage``, ``statistics``, ``settings``, ``software``, ``readers``, ``flagged``,
        ``rejected``.
    """
    corpus, notes = open_corpus(path), provenance_of(path)
    temperature = corpus.temperature
    encoding = str(notes["settings"]["corpus"]["encoding"])
    stored = sum(entry.stat().st_size for entry in (Path(path) / "temperature").rglob("*") if entry.is_file())
    times = corpus.snapshot_time.values
    readers = sorted({run["reader"] for run in notes["runs"]})
    return {
        "store": str(path),
        "shape": dict(zip(map(str, temperature.dims), temperature.shape, strict=True)),
        "encoding": encoding,
        "bytes": {"stored": stored, "as_float32": int(corpus.snapshot_count.sum()) * 4 * temperature[0, 0].size},
        "split": {name: int((corpus.split.values == index).sum()) for index, name in enumerate(SPLITS)},
        "snapshots": int(corpus.snapshot_count.sum()),
        "time": [float(np.nanmin(times)), float(np.nanmax(times))],
        "coverage": coverage(parameter_table(corpus)),
        "statistics": statistics(corpus),
        "settings": notes["settings"],
        "software": notes["software"],
        "readers": readers,
        "source_bytes": sum(run["size"] for run in notes["runs"]),
        "flagged": notes["findings"],
        "rejected": notes["rejected"],
    }


def store_text(content: Mapping[str, Any]) -> str:
    """Write what :func:`show_store` found for people."""
    size = content["bytes"]
    temperature = content["statistics"]["temperature"]
    lines = [
        f"{content['store']}: " + " x ".join(f"{count} {name}" for name, count in content["shape"].items()),
        f"{content['snapshots']} snapshots, {content['time'][0]:.4g} .. {content['time'][1]:.4g} Gyr; "
        + ", ".join(f"{count} {name}" for name, count in content["split"].items()),
        f"{size['stored'] / 1e6:.1f} MB as {content['encoding']}, {size['as_float32'] / 1e6:.1f} MB unpacked; made of "
        f"{content['source_bytes'] / 1e6:.1f} MB read by {', '.join(content['readers'])}",
        f"temperature of the training runs: {temperature['minimum']:.1f} .. {temperature['maximum']:.1f} K, mean "
        f"{temperature['mean']:.1f} K, standard deviation {temperature['standard_deviation']:.1f} K",
    ]
    width = max(len(row["name"]) for row in content["coverage"])
    for row in content["coverage"]:
        lines.append(
            f"  {row['name']:<{width}}  {bars(row['counts'])}  {row['minimum']:.4g} .. {row['maximum']:.4g}"
            f"  ({row['outside']} outside {row['low']:g} .. {row['high']:g})"
        )
    for title, name in (("kept and flagged", "flagged"), ("left out", "rejected")):
        entries = content[name]
        lines.append(f"{title}: {len({entry['file'] for entry in entries})}")
        lines += [f"  run {entry['simulation']}: {entry['what']}: {entry['message']}" for entry in entries[:20]]
        if len(entries) > 20:
            lines.append(f"  ... and {len(entries) - 20} more findings")
    return "\n".join(lines)
