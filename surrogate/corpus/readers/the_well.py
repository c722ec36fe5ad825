"""Convection in the layout of The Well (Ohana et al. 2024, arXiv:2412.00568): HDF5 with several runs in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.corpus.readers import Notes, ReaderError, attach_notes, notes_of, run_number
from surrogate.corpus.readers.containers import Container, hdf5_attributes, hdf5_groups, open_container
from surrogate.corpus.readers.gridded import read_mapped
from surrogate.corpus.readers.layers import LayerOptions
from surrogate.corpus.readers.lazy import given_parameters
from surrogate.corpus.readers.tables import parameter_name
from surrogate.parameters import Stated

FREE_FALL = ("rayleigh_benard",)
"""Data sets of The Well whose time is counted in free falls, as their descriptions say."""


SUFFIXES = (".hdf5", ".h5")


class TheWellReader:
    """Reads files with the groups ``dimensions`` and ``t0_fields``; each trajectory is a run."""

    name = "the_well"

    def accepts(self, path: Path) -> bool:
        """Take HDF5 files with these groups."""
        return path.suffix.lower() in SUFFIXES and {"dimensions", "t0_fields"} <= hdf5_groups(path)

    def count(self, path: Path) -> int:
        """Return the number of runs in a file."""
        return int(hdf5_attributes(path)[""].get("n_trajectories", 1))

    def open(self, path: Path, options: Mapping[str, Any]) -> xr.Dataset:
        """Open one run lazily.

        Raises
        ------
        ReaderError
            Naming the file, the group and what is missing, or of a kind that is not read.
        """
        settings = LayerOptions.of(options, path, self.name)
        count = self.count(path)
        if settings.member >= count or ("member" not in settings.model_fields_set and count > 1):
            raise ReaderError(f"{path}: holds {count} runs; name one of them, {path.name}#0 .. #{count - 1}")
        container = open_container(path)
        try:
            view, mapped, warnings, left_out, unread = _layout(container, settings, count)
        except Exception:
            container.close()
            raise
        run = read_mapped(view, mapped, self.name, warnings)
        number = run_number(Path(f"{path.stem}_{settings.member}") if count > 1 else path)
        run.attrs |= {"solver": str(hdf5_attributes(path)[""].get("dataset_name", "The Well")), "simulation": number}
        notes = notes_of(run)
        return attach_notes(run, Notes((*notes.left_out, *left_out), notes.warnings, {**notes.unread, **unread}))


def _layout(
    container: Container, settings: LayerOptions, count: int
) -> tuple[Container, dict[str, Any], tuple[str, ...], list[str], dict[str, str]]:
    """Return the arrays of one run, how they are to be read, and what is to be said of them."""
    path, about = container.path, hdf5_attributes(container.path)
    root, dimensions = about[""], about["dimensions"]
    space = [str(name) for name in dimensions.get("spatial_dims", [])]
    grid = str(root.get("grid_type", "cartesian"))
    if grid.lower() != "cartesian" or len(space) != 2:
        raise ReaderError(f"{path}: a {grid} grid of the dimensions {space}; expected a cartesian one of two")
    fields = [name.split("/")[1] for name in container.arrays if name.startswith("t0_fields/")]
    field = "t0_fields/" + settings.field(fields, path)
    varying = [about[field].get(key, True) for key in ("sample_varying", "time_varying")]
    if not all(varying) or not all(about[field].get("dim_varying", [True])):
        raise ReaderError(
            f"{container.where(field)}: expected a field that varies from run to run, in time and in space"
        )
    lead: dict[str, tuple[int, ...]] = {}
    for name in ("time", *space):
        place = f"dimensions/{name}"
        if place not in container.arrays:
            raise ReaderError(f"{path}: no variable {place!r}; found {sorted(container.arrays)}")
        if name != "time" and about[place].get("time_varying", False):
            raise ReaderError(f"{container.where(place)} moves with time; expected a grid that stands still")
        if about[place].get("sample_varying", False):
            lead[name] = (settings.member,)
    stored = container.arrays[field].shape
    if len(stored) != 4 or stored[0] != count:
        raise ReaderError(f"{container.where(field)} has shape {stored}, expected ({count}, time, {', '.join(space)})")
    vertical, periodic, on_walls = _walls(container, about, space, settings)
    lateral = space[1 - space.index(vertical)]
    parameters, left_out, unread = _parameters(container, about, settings)
    if settings.time is None and root.get("dataset_name") in FREE_FALL:
        settings = settings.model_copy(update={"time": "free_fall"})
    axes = {vertical: "height", lateral: "x"}
    names = field.split("/")[1], vertical, lateral
    rows = container.variable(f"dimensions/{vertical}").values[lead.get(vertical, ())]
    mapped, warnings = settings.mapped(names, parameters, rows, on_walls, periodic, path)
    arrays = {
        names[0]: (field, ["time", *(axes[name] for name in space)], (settings.member,)),
        **{name: (f"dimensions/{name}", [axes.get(name, name)], lead.get(name, ())) for name in ("time", *space)},
    }
    view = container.select(arrays)
    known = {field, "boundary_conditions"} | {f"dimensions/{name}" for name in ("time", *space)}
    left_out += [
        f"variable {name!r}"
        for name in sorted({*container.arrays, *container.broken} - known)
        if not name.startswith(("boundary_conditions/", "scalars/"))
    ]
    return view, mapped, warnings, left_out, unread


def _walls(
    container: Container, about: Mapping[str, Mapping[str, Any]], space: list[str], settings: LayerOptions
) -> tuple[str, bool, bool]:
    """Return the dimension between the walls, whether the other one is periodic, and whether rows lie on the walls."""
    kinds: dict[str, set[str]] = {name: set() for name in space}
    masks: dict[str, np.ndarray] = {}
    for name, entry in about.items():
        if "bc_type" not in entry:
            continue
        for axis in entry.get("associated_dims", []):
            if str(axis) not in kinds:
                continue
            kinds[str(axis)].add(str(entry["bc_type"]).lower())
            mask = container.arrays.get(f"{name}/mask")
            if mask is not None and mask.ndim == 1:
                masks[str(axis)] = masks.get(str(axis), False) | np.asarray(mask[...], dtype=bool)
    between = [name for name in space if kinds[name] == {"wall"}]
    vertical = settings.vertical or (between[0] if len(between) == 1 else None)
    if vertical not in space:
        found = {name: sorted(kind) for name, kind in kinds.items()}
        raise ReaderError(
            f"{container.path}: which dimension is vertical? boundary_conditions say {found}; option vertical"
        )
    lateral = space[1 - space.index(vertical)]
    if kinds[vertical] & {"periodic", "open"}:
        raise ReaderError(
            f"{container.path}: {vertical} is {' and '.join(sorted(kinds[vertical]))}, expected two walls"
        )
    if settings.periodic is None and kinds[lateral] not in ({"periodic"}, {"wall"}):
        raise ReaderError(f"{container.path}: whether {lateral} is periodic is not stated; option periodic says so")
    mask = masks.get(vertical)
    return vertical, kinds[lateral] == {"periodic"}, mask is not None and bool(mask[0] and mask[-1])


def _parameters(
    container: Container, about: Mapping[str, Mapping[str, Any]], settings: LayerOptions
) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    """Return the constant scalars of one run, what varies in time, and why something is no number."""
    root, found, left_out, unread = about[""], {}, [], {}
    sources: dict[str, Any] = {str(name): root.get(str(name)) for name in root.get("simulation_parameters", [])}
    for place in container.arrays:
        if not place.startswith("scalars/"):
            continue
        if about[place].get("time_varying", False):
            left_out.append(f"variable {place!r}, which varies in time")
            continue
        values = np.asarray(container.arrays[place][...])
        values = values[settings.member] if about[place].get("sample_varying", False) else values
        sources[place] = xr.Variable((), values.reshape(-1)[0], about[place]) if values.size == 1 else values
    for source, value in sources.items():
        name = parameter_name(source)
        try:
            found[name] = Stated.read(name, value, f"{container.path}: parameter {source!r}")
        except ValueError as error:
            unread[name] = str(error)
    given, more = given_parameters(settings.parameters, container.path)
    return {**found, **given}, left_out, {**unread, **more}
