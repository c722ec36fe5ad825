"""The doctor: what is wrong with the runs of a corpus, seen one by one and side by side."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from surrogate.config import CorpusSettings
from surrogate.corpus.findings import SEVERE, WARNING, Finding, RunCheck, findings_table
from surrogate.corpus.parallel import Workers
from surrogate.corpus.regrid import describe_sector
from surrogate.corpus.split import TRAIN
from surrogate.corpus.stage import examine_run
from surrogate.corpus.store import open_corpus, provenance_of
from surrogate.corpus.survey import Source, size_of
from surrogate.fields import SPLITS, parameters_of, select_run
from surrogate.parameters import PARAMETERS

SHORT = 0.9
"""A run that ends before this fraction of the median end is flagged as short."""

NEAR = 0.01
"""An unseen run nearer than this to a training run, in units of the parameter ranges, is flagged."""


def compare_runs(
    records: Sequence[dict[str, Any]], known: Sequence[dict[str, Any]], settings: CorpusSettings
) -> list[Finding]:
    """Find what only a comparison of runs shows.

    Parameters
    ----------
    records : sequence of dict
        New runs: ``simulation``, ``file``, ``digest``, ``parameters``, ``times``.
    known : sequence of dict
        Runs that the store holds already: the same, without ``times``.
    settings : CorpusSettings

    Returns
    -------
    list of Finding
        "duplicate" (severe: the same temperatures; warning: the same parameters), "short", "time base".
    """
    findings = []
    by_digest = {record["digest"]: record for record in known}
    by_point = {tuple(record["parameters"]): record for record in known}
    for record in records:
        twin = by_digest.setdefault(record["digest"], record)
        namesake = by_point.setdefault(tuple(record["parameters"]), record)
        if twin is not record:
            message = f"the same temperatures as run {twin['simulation']} ({twin['file']})"
            findings.append(Finding(record["simulation"], record["file"], "duplicate", SEVERE, message))
        elif namesake is not record:
            message = f"the same parameters as run {namesake['simulation']} ({namesake['file']}), other temperatures"
            findings.append(Finding(record["simulation"], record["file"], "duplicate", WARNING, message))
    return findings + _time_bases(records, settings)


def _time_bases(records: Sequence[dict[str, Any]], settings: CorpusSettings) -> list[Finding]:
    if not records:
        return []
    findings = []
    ends = np.array([record["times"][-1] for record in records])
    starts = np.array([record["times"][0] for record in records])
    end, start = float(np.median(ends)), float(np.median(starts))
    step = float(np.median([np.median(np.diff(record["times"])) for record in records]))
    for record in records:
        times = record["times"]
        if times[-1] < SHORT * end:
            message = f"ends at {times[-1]:.4g} Gyr, the median run at {end:.4g} Gyr"
            findings.append(Finding(record["simulation"], record["file"], "short", WARNING, message))
        elif settings.times == "keep" and (abs(times[0] - start) > step or abs(times[-1] - end) > step):
            message = f"spans {times[0]:.4g} .. {times[-1]:.4g} Gyr, the median run {start:.4g} .. {end:.4g} Gyr"
            findings.append(Finding(record["simulation"], record["file"], "time base", WARNING, message))
    return findings


def scaled_parameters(parameters: Any) -> np.ndarray:
    """Scale parameters to [0, 1] over the ranges of the reference corpus, on their natural axes.

    Parameters
    ----------
    parameters : array, shape (..., 5), SI units

    Examples
    --------
    >>> scaled_parameters([1e19, 3e5, 1e-5, 1.0, 1700.0]).round(6).tolist()
    [0.0, 0.5, 1.0, 0.0, 0.5]
    """
    parameters = np.asarray(parameters, dtype=float)
    scaled = np.empty_like(parameters)
    for column, parameter in enumerate(PARAMETERS):
        low, high = parameter.transform(parameter.low), parameter.transform(parameter.high)
        scaled[..., column] = (parameter.transform(parameters[..., column]) - low) / (high - low)
    return scaled


def near_across_split(records: Sequence[dict[str, Any]], split: np.ndarray, known: int = 0) -> list[Finding]:
    """Find unseen runs that a training run all but repeats: they make a test easier than it looks.

    Parameters
    ----------
    records : sequence of dict
        ``simulation``, ``file``, ``parameters``.
    split : array of int, shape (simulation,)
    known : int
        The first so many were looked at before and are not reported again.
    """
    points = scaled_parameters([record["parameters"] for record in records]).reshape(-1, len(PARAMETERS))
    train, unseen = np.flatnonzero(split == TRAIN), np.flatnonzero(split != TRAIN)
    unseen = unseen[unseen >= known]
    if not train.size or not unseen.size:
        return []
    distance, nearest = cKDTree(points[train]).query(points[unseen])
    return [
        Finding(
            records[run]["simulation"],
            records[run]["file"],
            "near a training run",
            WARNING,
            f"in {SPLITS[split[run]]}, {apart:.2g} of the parameter ranges from "
            f"training run {records[int(train[other])]['simulation']}",
        )
        for run, apart, other in zip(unseen.tolist(), distance.tolist(), nearest.tolist(), strict=True)
        if apart < NEAR
    ]


@dataclass
class Examination:
    """What the doctor saw.

    Attributes
    ----------
    source : str
        What was examined.
    runs : list of dict
        Every run that could be read: ``simulation``, ``file``, ``parameters``, ``times``, ``shape``.
    findings : list of Finding
    """

    source: str
    runs: list[dict[str, Any]]
    findings: list[Finding]

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
    workers : int
        Processes.
    progress : callable, optional
        Called as ``progress("examine", done, total)``.
    """
    settings = settings or CorpusSettings()
    names = list(dict.fromkeys(str(file) for file in files))
    calls = [(Source(name, reader, dict(options or {})), settings) for name in names]
    records = []
    with Workers(workers) as pool:
        for record in pool.each(examine_run, calls, size=sum(size_of(name) for name in names)):
            records.append(record)
            if progress is not None:
                progress("examine", len(records), len(calls))
    records.sort(key=lambda record: (record["simulation"] < 0, record["simulation"], record["file"]))
    findings = [Finding(**entry) for record in records for entry in record["findings"]]
    runs = [record for record in records if "digest" in record]
    findings += compare_runs(runs, [], settings) + _grids(runs, settings)
    source = names[0] if len(names) == 1 else f"{len(names)} raw runs"
    return Examination(source, runs, findings)


def examine_store(path: str | os.PathLike[str], settings: CorpusSettings | None = None) -> Examination:
    """Examine a corpus: every run is read and checked again, and what the ingest found is told again.

    Raises
    ------
    FileNotFoundError, CorpusError
        If the store cannot be opened at all.
    """
    corpus, notes = open_corpus(path), provenance_of(path)
    settings = settings or CorpusSettings(**{**notes["settings"]["corpus"], "tolerated_rejects": 1.0})
    findings = [Finding(**entry) for entry in [*notes["rejected"], *notes["findings"]]]
    runs = []
    for position, note in enumerate(notes["runs"]):
        run = select_run(corpus, position)
        check = RunCheck(note["simulation"], note["file"], settings)
        try:
            values = run.temperature.values
        except Exception as error:  # zarr and its codecs each raise their own kind
            check.report("unreadable", f"row {position} of the store: {type(error).__name__}: {error}")
        else:
            check.feed(values)
            if check.digest != note["digest"]:
                check.report("changed", f"row {position} of the store does not hold what was ingested")
        findings += check.findings
        runs.append(
            {
                "simulation": note["simulation"],
                "file": note["file"],
                "parameters": parameters_of(run).as_array().tolist(),
                "times": run.time.values.tolist(),
                "shape": list(run.temperature.shape[1:]),
            }
        )
    return Examination(str(path), runs, list(dict.fromkeys(findings)))


def _grids(runs: Sequence[dict[str, Any]], settings: CorpusSettings) -> list[Finding]:
    """Find runs of another sector than most, and of another grid where nothing regrids them."""
    if not runs:
        return []
    sector = np.array(Counter(tuple(run["sector"]) for run in runs).most_common(1)[0][0])
    shape, _ = Counter(tuple(run["shape"]) for run in runs).most_common(1)[0]
    kept = settings.radial_cells is None and settings.angular_cells is None
    findings = []
    for run in runs:
        if not np.allclose(run["sector"], sector, rtol=1e-6, atol=0):
            message = f"covers {describe_sector(run['sector'])}, most runs {describe_sector(sector)}"
        elif kept and tuple(run["shape"]) != shape:
            message = (
                f"has shape {tuple(run['shape'])}, most runs {shape}; corpus.radial_cells and angular_cells regrid"
            )
        else:
            continue
        findings.append(Finding(run["simulation"], run["file"], "grid", SEVERE, message))
    return findings
