"""The doctor: what is wrong with the runs of a corpus, seen one by one and side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from surrogate.config import CorpusSettings
from surrogate.corpus.findings import SEVERE, WARNING, Finding
from surrogate.parameters import PARAMETERS

SHORT = 0.9
"""A run that ends before this fraction of the median end is flagged as short."""


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


def parameter_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distance of points in parameter space, natural axes scaled to the ranges of the reference corpus.

    Parameters
    ----------
    first, second : arrays, shape (..., 5), SI units

    Returns
    -------
    array, shape (...)
        1 is the whole range of one parameter.
    """
    scaled = []
    for column, parameter in enumerate(PARAMETERS):
        width = parameter.transform(parameter.high) - parameter.transform(parameter.low)
        difference = parameter.transform(first[..., column]) - parameter.transform(second[..., column])
        scaled.append(difference / width)
    return np.sqrt(np.square(scaled).sum(axis=0))
