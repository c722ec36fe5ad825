"""What an ingest will do, decided before any temperature is read: what the store has, which runs come, how they fit."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.config import CorpusSettings, ParameterSettings
from surrogate.corpus.checks.run import describe_run, file_record, number_in_name
from surrogate.corpus.readers import open_run
from surrogate.corpus.records import SEVERE, Finding, Moments, RunRecord
from surrogate.corpus.space import CorpusParameters
from surrogate.corpus.storage import create_array, shard_length
from surrogate.corpus.store import Provenance, open_corpus, open_moments, provenance_of
from surrogate.corpus.workers import Workers
from surrogate.fields import geometry_of, parameter_table, space_of, units_of
from surrogate.files import atomic, fingerprint, read_json
from surrogate.geometry import Geometry
from surrogate.parameters import ParameterSpace, Stated
from surrogate.quantities import SERIES, Units, units_named

Progress = Callable[[str, int, int], None]
"""Told a stage ("survey", "ingest"), how many runs are done and how many there are."""


class IngestError(ValueError):
    """An ingest that cannot give a corpus; the message says why."""


class PlanError(ValueError):
    """A plan that is gone or is not the one that was meant."""


def staging_folder(store: Path) -> Path:
    """Folder beside a store that holds what is not finished: the plan, the array, the journal, the commit."""
    return store.parent / f".{store.name}.staging"


def discard_staging(store: Path) -> None:
    """Remove what is not finished; the rename comes first, so that a half removed folder is never taken for work."""
    staging, finished = staging_folder(store), store.parent / f".{store.name}.finished"
    shutil.rmtree(finished, ignore_errors=True)
    if staging.exists():
        os.replace(staging, finished)
        shutil.rmtree(finished)


@dataclass(frozen=True)
class Request:
    """What the content of a store depends on, beside its files.

    Attributes
    ----------
    settings : CorpusSettings
    reader : str
    options : dict
        Of the reader.
    parameters : dict of ParameterSettings
        Which parameters count; empty: all that vary.
    """

    settings: CorpusSettings
    reader: str
    options: dict[str, Any]
    parameters: dict[str, ParameterSettings]

    def as_dict(self) -> dict[str, Any]:
        """Return what a store keeps of it; the tolerance of rejects is not part of its content."""
        corpus = self.settings.model_dump(mode="json", exclude={"tolerated_rejects"})
        parameters = {name: entry.model_dump(mode="json") for name, entry in self.parameters.items()}
        return {"corpus": corpus, "reader": self.reader, "options": self.options, "parameters": parameters}


@dataclass(frozen=True)
class ExistingStore:
    """A store that can grow."""

    corpus: xr.Dataset
    moments: xr.Dataset
    provenance: Provenance

    @cached_property
    def parameters(self) -> CorpusParameters:
        """Its parameters."""
        constants = json.loads(self.corpus.attrs.get("constant_parameters", "{}"))
        return CorpusParameters(
            space_of(self.corpus), {name: Stated(*constant) for name, constant in constants.items()}
        )

    @cached_property
    def records(self) -> list[RunRecord]:
        """All that it knows of its runs, in the order of its rows."""
        corpus, moments = self.corpus, self.moments
        names = [name for name in SERIES if name in corpus]
        counts, points = corpus.snapshot_count.values, parameter_table(corpus)
        return [
            replace(
                run,
                parameters=points[row],
                times=corpus.snapshot_time.values[row, : counts[row]],
                series={name: corpus[name].values[row, : counts[row]] for name in names},
                moments=Moments(
                    moments.profile_mean.values[row],
                    moments.profile_variance.values[row],
                    float(moments.minimum[row]),
                    float(moments.maximum[row]),
                    int(moments.snapshots[row]),
                ),
            )
            for row, run in enumerate(self.provenance.runs)
        ]


def existing_store(store: Path, files: Sequence[str], request: Request, keep_unlisted: bool) -> ExistingStore | None:
    """Return what the store holds if it can grow, None if it must be made (anew).

    Raises
    ------
    IngestError
        If runs that are not listed are to be kept, and the store cannot grow.
    """
    if not store.exists():
        return None
    try:
        found = ExistingStore(open_corpus(store), open_moments(store), provenance_of(store))
    except ValueError:  # CorpusError: broken; the raw runs are there to make it anew
        return None
    listed = set(files)
    same = found.provenance.settings == request.as_dict()
    gone = [run.file for run in found.provenance.runs if run.file not in listed]
    changed = [run.file for run in found.provenance.runs if run.file in listed and _changed(run)]
    if keep_unlisted:
        if not same or changed:
            what = f"file {changed[0]} has changed" if changed else "its settings differ"
            raise IngestError(f"{store}: cannot be extended, {what}; make a new store from all raw runs")
    elif not same or changed or gone:
        return None
    return found


def _changed(run: RunRecord) -> bool:
    """Whether a file is another one than it was; one that is gone is not."""
    now = file_record(run.file)
    return bool(now.modified) and (now.size, now.modified) != (run.size, run.modified)


def survey_run(record: RunRecord, reader: str, options: dict[str, Any]) -> RunRecord:
    """Look at a raw run without reading its temperature; one that cannot be opened is "unreadable"."""
    try:
        with open_run(record.file, reader, options) as run:
            return describe_run(record, run)
    except Exception as error:  # every library has its own kind of error for a broken file
        number, message = number_in_name(record.file, options), f"{type(error).__name__}: {error}"
        finding = Finding(number, record.file, "unreadable", SEVERE, message)
        return replace(record, simulation=number, findings=(finding,))


def survey_runs(
    files: Sequence[str], request: Request, store: Path, workers: Workers, progress: Progress | None
) -> list[RunRecord]:
    """Look at every file, by run number, then by name; those that a plan of the store knows are not opened again."""
    place = staging_folder(store) / "plan.json"
    known = {}
    if place.exists():
        plan = Plan.from_json(read_json(place))
        if (plan.reader, plan.options) == (request.reader, request.options):
            known = {run.file: run for run in plan.runs}
    found = [file_record(file) for file in files]
    size = sum(record.size for record in found)
    seen = [known[record.file] for record in found if record.file in known and not _changed(known[record.file])]
    done = {record.file for record in seen}
    calls = [(record, request.reader, request.options) for record in found if record.file not in done]
    # All that is looked at here is read afterwards: the workers start at once, if they are worth it.
    for record in workers.map(survey_run, calls, size=size, together=4):
        seen.append(record)
        if progress is not None:
            progress("survey", len(seen), len(files))
    return sorted(seen, key=lambda record: (record.simulation < 0, record.simulation, record.file))


@dataclass(frozen=True, eq=False)
class Plan:
    """The work of one ingest, whoever does it.

    Attributes
    ----------
    key : str
        Fingerprint of all that the converted data depend on.
    settings : CorpusSettings
    reader : str
    options : dict
        Of the reader.
    geometry : Geometry
    units : Units
        Grid of the store.
    parameters : CorpusParameters
        Of all runs.
    times : array or None
        Common times, Gyr; None keeps those of each run.
    length : int
        Snapshots of the longest run.
    per_shard : int
        Snapshots of a shard.
    runs : tuple of RunRecord
        The runs to convert, in the order of their candidates: the rows of the array in the staging folder.
    numbers : tuple of int
        The number that each of them gets.
    """

    key: str
    settings: CorpusSettings
    reader: str
    options: dict[str, Any]
    geometry: Geometry
    units: Units
    parameters: CorpusParameters
    times: np.ndarray | None
    length: int
    per_shard: int
    runs: tuple[RunRecord, ...]
    numbers: tuple[int, ...]

    @property
    def run_bytes(self) -> int:
        """Bytes of float32 that one run has at most."""
        return 4 * self.length * self.geometry.shape[0] * self.geometry.shape[1]

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        spaces = {run.space: number for number, run in enumerate(self.runs)}  # thousands of runs state the same ones
        return {
            "key": self.key,
            "settings": self.settings.model_dump(mode="json"),
            "reader": self.reader,
            "options": self.options,
            "geometry": self.geometry.record(),
            "units": self.units.name,
            "parameters": self.parameters.space.as_dict(),
            "constants": self.parameters.constants,
            "times": None if self.times is None else self.times.tolist(),
            "length": self.length,
            "per_shard": self.per_shard,
            "spaces": {number: space.as_dict() for space, number in spaces.items() if space is not None},
            "runs": [{**run.to_json(), "space": str(spaces[run.space])} for run in self.runs],
            "numbers": list(self.numbers),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Plan:
        """Rebuild from :meth:`to_json`."""
        spaces = {number: ParameterSpace.from_dict(entry) for number, entry in content["spaces"].items()}
        return cls(
            content["key"],
            CorpusSettings(**content["settings"]),
            content["reader"],
            content["options"],
            Geometry.from_record(content["geometry"]),
            units_named(content["units"]),
            CorpusParameters(
                ParameterSpace.from_dict(content["parameters"]),
                {name: Stated(*constant) for name, constant in content["constants"].items()},
            ),
            None if content["times"] is None else np.array(content["times"]),
            content["length"],
            content["per_shard"],
            tuple(RunRecord.from_json({**run, "space": spaces.get(run["space"])}) for run in content["runs"]),
            tuple(content["numbers"]),
        )

    def write(self, store: Path) -> None:
        """Make the staging folder of a store fit this plan; what was converted for the same one stays."""
        staging = staging_folder(store)
        place = staging / "plan.json"
        if place.exists() and read_json(place)["key"] == self.key:
            return
        discard_staging(store)
        shape = (len(self.runs), self.length, *self.geometry.shape)
        create_array(staging / "array", shape, self.settings.encoding, self.per_shard)
        with atomic(place) as temporary:
            temporary.write_text(json.dumps(self.to_json(), allow_nan=False), encoding="utf-8")


def read_plan(store: Path, key: str) -> Plan:
    """Read the plan of a store that is being made.

    Raises
    ------
    PlanError
        If there is none with this key.
    """
    place = staging_folder(store) / "plan.json"
    content: dict[str, Any] = read_json(place) if place.exists() else {}
    if content.get("key") != key:
        raise PlanError(f"{place}: not the plan {key} that this part belongs to; plan the ingest of {store} again")
    return Plan.from_json(content)


def make_plan(
    request: Request, runs: Sequence[RunRecord], parameters: CorpusParameters, old: ExistingStore | None
) -> Plan:
    """Decide grid, times and shards of a store (those it has, or those of the first run), and numbers.

    Parameters
    ----------
    request : Request
    runs : sequence of RunRecord
        At least one, all readable.
    parameters : CorpusParameters
        That the runs have.
    old : ExistingStore, optional
        The store that grows.
    """
    settings = request.settings
    times = None
    if old is not None:
        geometry, units = geometry_of(old.corpus), units_of(old.corpus)
        if settings.times == "resample":
            times = old.corpus.snapshot_time.values[int(np.argmax(old.corpus.snapshot_count.values))]
    else:
        with open_run(runs[0].file, runs[0].reader, request.options) as first:
            units = units_of(first)
            geometry = geometry_of(first).refined(settings.radial_cells, settings.angular_cells)
        if settings.times == "resample":
            start, end = (float(np.median([run.times[edge] for run in runs])) for edge in (0, -1))
            times = np.linspace(start, end, settings.snapshots)
    if settings.encoding == "int16" and not units.dimensional:
        raise PlanError("corpus.encoding int16 packs kelvin; a dimensionless corpus needs float32")
    length = max(len(run.times) for run in runs) if times is None else len(times)
    per_shard = shard_length(length, *geometry.shape)
    if old is not None:
        per_shard = old.corpus.temperature.encoding["shards"][1]
    numbers = _assign_numbers(runs, [run.simulation for run in old.provenance.runs] if old else [])
    sources = [[run.file, run.size, run.modified, run.reader] for run in runs]
    essence = {
        "content": request.as_dict(),
        "geometry": geometry.record(),
        "units": units.name,
        "parameters": [parameters.space.as_dict(), parameters.constants],
        "times": None if times is None else times.tolist(),
        "shard": per_shard,
        "runs": sources,
        "numbers": numbers,
    }
    return Plan(
        fingerprint(essence),
        settings,
        request.reader,
        request.options,
        geometry,
        units,
        parameters,
        times,
        length,
        per_shard,
        tuple(runs),
        numbers,
    )


def _assign_numbers(runs: Sequence[RunRecord], taken: Sequence[int]) -> tuple[int, ...]:
    """Give every run a number of its own: what it says, or the next that is free."""
    used = set(taken)
    numbers = []
    for run in runs:
        number = run.simulation
        if number < 0 or number in used:
            number = max(used, default=-1) + 1
        used.add(number)
        numbers.append(number)
    return tuple(numbers)
