"""Output of Dedalus 3, and of 2 where it is laid out alike: HDF5 groups ``tasks`` and ``scales``, in several sets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.corpus.readers import ReaderError, run_number
from surrogate.corpus.readers.containers import Container, hdf5_groups, open_container
from surrogate.corpus.readers.gridded import read_mapped
from surrogate.corpus.readers.layers import LayerOptions
from surrogate.corpus.readers.lazy import given_parameters

SET = re.compile(r"(?P<stem>.+)_s(?P<number>\d+)")
"""Name of a file of a handler: the sets follow each other in time."""

SUFFIXES = (".h5", ".hdf5")

BOOKKEEPING = ("set_number", "handler_name", "writes", "mpi_rank", "mpi_size", "software_version")

UNEVEN = 1e-4
"""Relative difference of steps from which on an axis is not equally spaced."""


class DedalusReader:
    """Reads what one file handler of Dedalus wrote: a folder of sets, or one file."""

    name = "dedalus"

    def accepts(self, path: Path) -> bool:
        """Take HDF5 files with the groups ``tasks`` and ``scales``, and folders of them."""
        try:
            return any({"tasks", "scales"} <= hdf5_groups(file) for file in _sets(path)[:1])
        except ReaderError:
            return False

    def open(self, path: Path, options: Mapping[str, Any]) -> xr.Dataset:
        """Open lazily, all sets as one run.

        Raises
        ------
        ReaderError
            Naming the file, the task and what was expected.
        """
        settings = LayerOptions.of(options, path, self.name)
        containers: list[Container] = []
        try:
            containers += [open_container(file) for file in _sets(path)]
            view, mapped, warnings = _layout(containers, settings, path)
        except Exception:
            for container in containers:
                container.close()
            raise
        run = read_mapped(view, mapped, self.name, warnings)
        run.attrs |= {"solver": "Dedalus", "simulation": run_number(path)}
        return run


def _sets(path: Path) -> list[Path]:
    """Return the files of a handler in the order of their sets."""
    if path.is_file():
        return [path] if path.suffix.lower() in SUFFIXES else []
    if not path.is_dir():
        return []
    named = [(SET.fullmatch(file.stem), file) for file in path.iterdir() if file.suffix.lower() in SUFFIXES]
    found = [(match["stem"], int(match["number"]), file) for match, file in named if match]
    stems = {stem for stem, *_ in found}
    if len(stems) > 1:
        raise ReaderError(f"{path}: holds the files of several handlers, {sorted(stems)}; expected those of one")
    numbers = [number for _, number, _ in sorted(found)]
    gaps = set(range(min(numbers, default=0), max(numbers, default=0))) - set(numbers)
    if gaps:
        raise ReaderError(f"{path}: set {', '.join(map(str, sorted(gaps)))} of {stems.pop()} is not there")
    return [file for _, _, file in sorted(found)]


def _layout(
    containers: list[Container], settings: LayerOptions, path: Path
) -> tuple[Container, dict[str, Any], tuple[str, ...]]:
    """Return the arrays of the run, how they are to be read, and what is to be said of them."""
    first = containers[0]
    tasks = [name.split("/", 1)[1] for name in first.arrays if name.startswith("tasks/")]
    task = settings.field(tasks, path)
    name = f"tasks/{task}"
    for container in containers:
        if name not in container.arrays or "scales/sim_time" not in container.arrays:
            raise ReaderError(f"{container.path}: no {name!r} and 'scales/sim_time', which {first.path.name} has")
        _check_layout(container, name)
        if container.arrays[name].shape[1:] != first.arrays[name].shape[1:]:
            raise ReaderError(f"{container.where(name)} has shape {container.arrays[name].shape}, unlike the first set")
    stored = first.arrays[name]
    axes: dict[str, str] = {}
    for axis in (stored.dims[1], stored.dims[2]):
        scales = [scale.name.lstrip("/") for scale in axis.values()]
        if len(scales) != 1:
            raise ReaderError(f"{first.where(name)}: axis {axis.label!r} has the scales {scales}, expected one grid")
        axes[axis.label or scales[0].split("/")[1]] = scales[0]
    vertical = settings.vertical or ("z" if "z" in axes else list(axes)[-1])
    if vertical not in axes or len(axes) != 2:
        raise ReaderError(f"{first.where(name)} has the dimensions {list(axes)}; option vertical names one of two")
    lateral = next(label for label in axes if label != vertical)
    points = {label: first.variable(place).values for label, place in axes.items()}
    steps = np.diff(points[lateral])
    if np.ptp(steps) > UNEVEN * abs(steps.mean()):
        raise ReaderError(f"{first.where(axes[lateral])} is not equally spaced; option vertical names the other one")
    said = []
    if settings.periodic is None:
        said.append(f"{lateral} is equally spaced: taken as periodic; option periodic: false if its sides are mirrors")
    given, unread = given_parameters(settings.parameters, path)
    states = {key: value for key, value in first.attributes.items() if key not in BOOKKEEPING}
    found, more = Container(path, {}, states).scalars(())
    names = task, vertical, lateral
    mapped, warnings = settings.mapped(names, {**found, **given}, points[vertical], False, True, path)
    spelled = {vertical: "height", lateral: "x"}
    arrays: dict[str, tuple[str, list[str], tuple[int, ...]]] = {
        task: (name, ["time", *(spelled[label] for label in axes)], ()),
        "time": ("scales/sim_time", ["time"], ()),
        **{label: (place, [spelled[label]], ()) for label, place in axes.items()},
    }
    for other in tasks:
        free = [f"axis_{number}" for number in range(first.arrays[f"tasks/{other}"].ndim - 1)]
        arrays.setdefault(other, (f"tasks/{other}", ["time", *free], ()))
    view = first.select(arrays, containers[1:])
    view.path = path
    return view, mapped, (*said, *warnings, *unread.values(), *more.values())


def _check_layout(container: Container, name: str) -> None:
    """Refuse a task that is no scalar field of two dimensions on the grid, whole."""
    array = container.arrays[name]
    if array.ndim != 3:
        raise ReaderError(f"{container.where(name)} has shape {array.shape}, expected a scalar in two dimensions")
    on_grid = np.atleast_1d(array.attrs.get("grid_space", True))
    if not np.all(on_grid):
        raise ReaderError(f"{container.where(name)} holds coefficients, expected values on the grid (layout='g')")
    whole = array.attrs.get("global_shape")
    if whole is not None and tuple(int(size) for size in np.atleast_1d(whole)[-2:]) != array.shape[1:]:
        raise ReaderError(
            f"{container.where(name)} is what one process wrote, {array.shape[1:]} of {tuple(whole)}; "
            "dedalus merge_procs joins them"
        )
