"""The doctor: what is wrong with the runs of a corpus, seen one by one and side by side."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from surrogate.config import CorpusSettings, ParameterSettings
from surrogate.corpus.checks.run import RunCheck, describe_run, examine_run, file_record
from surrogate.corpus.readers import expand_runs
from surrogate.corpus.records import SEVERE, WARNING, Finding, RunRecord, findings_table
from surrogate.corpus.space import CorpusParameters, agree
from surrogate.corpus.split import TRAIN
from surrogate.corpus.store import open_corpus, provenance_of
from surrogate.corpus.workers import Workers
from surrogate.fields import SPLITS, geometry_of, select_run, space_of, units_of
from surrogate.parameters import EVOLUTION_PARAMETERS, ParameterSpace
from surrogate.quantities import DIMENSIONAL

SHORT_RUN = 0.9
"""A run that ends before this fraction of the median end is flagged as short."""

NEAR_TRAINING_RUN = 0.01
"""An unseen run nearer than this to a training run, in units of the parameter ranges, is flagged."""


def compare_runs(records: Sequence[RunRecord], known: Sequence[RunRecord], settings: CorpusSettings) -> list[Finding]:
    """Find what only a comparison of runs shows.

    Parameters
    ----------
    records : sequence of RunRecord
        New runs, read.
    known : sequence of RunRecord
        Runs that the store holds already.
    settings : CorpusSettings

    Returns
    -------
    list of Finding
        "duplicate" (severe: the same temperatures; warning: the same parameters), "short", "time base".
    """
    findings = []
    by_digest = {record.digest: record for record in known}
    by_point = {tuple(record.parameters.tolist()): record for record in known}
    for record in records:
        twin = by_digest.setdefault(record.digest, record)
        namesake = by_point.setdefault(tuple(record.parameters.tolist()), record)
        if twin is not record:
            message = f"the same temperatures as run {twin.simulation} ({twin.file})"
            findings.append(Finding(record.simulation, record.file, "duplicate", SEVERE, message))
        elif namesake is not record:
            message = f"the same parameters as run {namesake.simulation} ({namesake.file}), other temperatures"
            findings.append(Finding(record.simulation, record.file, "duplicate", WARNING, message))
    return findings + _compare_times(records, settings)


def _compare_times(records: Sequence[RunRecord], settings: CorpusSettings) -> list[Finding]:
    if not records:
        return []
    findings = []
    start, end = (float(np.median([record.times[edge] for record in records])) for edge in (0, -1))
    step = float(np.median([np.median(np.diff(record.times)) for record in records if len(record.times) > 1] or [0.0]))
    for record in records:
        first, last = record.times[[0, -1]]
        unit = " Gyr" if record.units == DIMENSIONAL.name else ""
        if last < SHORT_RUN * end:
            message = f"ends at {last:.4g}{unit}, the median run at {end:.4g}{unit}"
            findings.append(Finding(record.simulation, record.file, "short", WARNING, message))
        elif settings.times == "keep" and (abs(first - start) > step or abs(last - end) > step):
            message = f"spans {first:.4g} .. {last:.4g}{unit}, the median run {start:.4g} .. {end:.4g}{unit}"
            findings.append(Finding(record.simulation, record.file, "time base", WARNING, message))
    return findings


def known_ranges(space: ParameterSpace, points: np.ndarray) -> ParameterSpace:
    """Return the space with the range that `points`, shape (run, n), cover where its own is not known."""
    found = space.spanned_by(points).ranges if len(points) else {}
    return space.with_ranges({name: found[name] for name in found if not np.isfinite(space.ranges[name]).all()})


def near_across_split(
    records: Sequence[RunRecord], split: np.ndarray, space: ParameterSpace, known: int = 0
) -> list[Finding]:
    """Find unseen runs that a training run all but repeats: they make a test easier than it looks.

    Parameters
    ----------
    records : sequence of RunRecord
    split : array of int, shape (simulation,)
    space : ParameterSpace
        Of the runs.
    known : int
        The first so many were looked at before and are not reported again.
    """
    train, unseen = np.flatnonzero(split == TRAIN), np.flatnonzero(split != TRAIN)
    unseen = unseen[unseen >= known]
    if not train.size or not unseen.size:
        return []
    points = np.array([record.parameters for record in records])
    points = known_ranges(space, points).scale(points)
    distance, nearest = cKDTree(points[train]).query(points[unseen])
    return [
        Finding(
            records[run].simulation,
            records[run].file,
            "near a training run",
            WARNING,
            f"in {SPLITS[split[run]]}, {apart:.2g} of the parameter ranges from "
            f"training run {records[int(train[other])].simulation}",
        )
        for run, apart, other in zip(unseen.tolist(), distance.tolist(), nearest.tolist(), strict=True)
        if apart < NEAR_TRAINING_RUN
    ]


@dataclass
class Examination:
    """What the doctor saw.

    Attributes
    ----------
    source : str
        What was examined.
    space : ParameterSpace
        Of the runs.
    runs : list of RunRecord
        Every run that could be read.
    findings : list of Finding
    notes : tuple of str
        What was taken from the runs because nobody said it, and which parameters are left out.
    """

    source: str
    space: ParameterSpace
    runs: list[RunRecord]
    findings: list[Finding]
    notes: tuple[str, ...] = ()

    @property
    def severe(self) -> int:
        """Number of files with a severe finding."""
        return len({finding.file for finding in self.findings if finding.severity == SEVERE})

    def table(self) -> pd.DataFrame:
        """Return the findings with the columns simulation, file, what, severity, message."""
        return findings_table(self.findings)


def examine(
    files: Sequence[str | os.PathLike[str]],
    settings: CorpusSettings | None = None,
    reader: str = "auto",
    options: Mapping[str, Any] | None = None,
    parameters: Mapping[str, ParameterSettings] | None = None,
    workers: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> Examination:
    """Examine raw runs before they are ingested; memory is that of one run per worker.

    Parameters
    ----------
    files : sequence of paths
    settings : CorpusSettings, optional
        Limits.
    reader, options
        As :func:`surrogate.corpus.readers.open_run` takes them.
    parameters : mapping of ParameterSettings, optional
        As :func:`surrogate.corpus.ingest` takes them.
    workers : int
        Processes.
    progress : callable, optional
        Called as ``progress("examine", done, total)``.
    """
    settings = settings or CorpusSettings()
    names = expand_runs(files, reader)
    calls = [(file_record(name), reader, dict(options or {}), settings) for name in names]
    records: list[RunRecord] = []
    with Workers(workers) as pool:
        for record in pool.map(examine_run, calls, size=sum(record.size for record, *_ in calls)):
            records.append(record)
            if progress is not None:
                progress("examine", len(records), len(calls))
    records.sort(key=lambda record: (record.simulation < 0, record.simulation, record.file))
    read = [record for record in records if record.digest]
    found = agree(read, parameters) if read else CorpusParameters(EVOLUTION_PARAMETERS)
    records = [found.fit(record) if record.digest else record for record in records]
    runs = [record for record in records if record.digest and record.space == found.space]
    findings = [finding for record in records for finding in record.findings]
    findings += compare_runs(runs, [], settings) + _compare_grids(runs, settings)
    source = names[0] if len(names) == 1 else f"{len(names)} raw runs"
    return Examination(source, found.space, runs, findings, found.notes)


def join_examinations(parts: Sequence[Examination]) -> Examination:
    """Join what was seen of several stores and of raw runs; coverage is that of the parameters of the first."""
    space = parts[0].space
    return Examination(
        ", ".join(part.source for part in parts),
        space,
        [run for part in parts if part.space.names == space.names for run in part.runs],
        [finding for part in parts for finding in part.findings],
        tuple(note for part in parts for note in part.notes),
    )


def examine_store(path: str | os.PathLike[str], settings: CorpusSettings | None = None) -> Examination:
    """Examine a corpus: every run is read and checked again, and what the ingest found is told again.

    Raises
    ------
    FileNotFoundError, CorpusError
        If the store cannot be opened at all.
    """
    corpus, notes = open_corpus(path), provenance_of(path)
    settings = settings or CorpusSettings(**{**notes.settings["corpus"], "tolerated_rejects": 1.0})
    findings = [*notes.rejected, *notes.findings]
    runs = []
    for position, origin in enumerate(notes.runs):
        run = select_run(corpus, position)
        check = RunCheck(origin.simulation, origin.file, settings, geometry_of(corpus), units_of(corpus))
        try:
            values = run.temperature.values
        except Exception as error:  # zarr and its codecs each raise their own kind
            check.report("unreadable", f"row {position} of the store: {type(error).__name__}: {error}")
        else:
            check.feed(values)
            if check.digest != origin.digest:
                check.report("changed", f"row {position} of the store does not hold what was ingested")
        findings += check.findings
        runs.append(replace(describe_run(origin, run), simulation=origin.simulation, reader=origin.reader))
    return Examination(str(path), space_of(corpus), runs, list(dict.fromkeys(findings)))


def _compare_grids(runs: Sequence[RunRecord], settings: CorpusSettings) -> list[Finding]:
    """Find runs of another domain or units than most, and of another grid where nothing regrids them."""
    if not runs:
        return []
    domain = Counter(run.domain for run in runs if run.domain).most_common(1)[0][0]
    units = Counter(run.units for run in runs).most_common(1)[0][0]
    shape = Counter(run.shape for run in runs).most_common(1)[0][0]
    kept = settings.radial_cells is None and settings.angular_cells is None
    findings = []
    for run in runs:
        if run.domain and not run.domain.matches(domain):
            message = f"covers {run.domain}, most runs {domain}"
        elif run.units != units:
            message = f"is {run.units}, most runs {units}"
        elif kept and run.shape != shape:
            message = f"has shape {run.shape}, most runs {shape}; corpus.radial_cells and angular_cells regrid"
        else:
            continue
        findings.append(Finding(run.simulation, run.file, "grid", SEVERE, message))
    return findings
