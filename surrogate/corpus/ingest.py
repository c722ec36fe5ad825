"""Raw runs in, one store out: read, check, bring onto one grid, write, split; interrupted anywhere, run it again.

Runs are looked at first (metadata only), then staged one by one in a folder beside the store, each with a record in a
journal, then assembled (:mod:`surrogate.corpus.assembly`). Memory is that of one run per worker, whatever their number.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from surrogate.config import CorpusSettings
from surrogate.corpus.assembly import discard, finish_commit
from surrogate.corpus.doctor import compare_runs
from surrogate.corpus.findings import SEVERE, Finding, findings_table
from surrogate.corpus.job import IngestError, IngestJob, Progress
from surrogate.corpus.parallel import Scheduler, Workers
from surrogate.corpus.store import open_corpus, provenance_of
from surrogate.fields import SPLITS
from surrogate.files import atomic


@dataclass(frozen=True)
class IngestSummary:
    """What an ingest did.

    Attributes
    ----------
    store : str
    runs, added, rejected, flagged : int
        Runs in the store, those of them that were added now, those left out, those kept with a warning.
    split : dict
        Runs of each split.
    snapshots : int
    shape : tuple of int
        (simulation, time, radius, angle).
    stored_bytes : int
        Of the shards.
    seconds : float
    """

    store: str
    runs: int
    added: int
    rejected: int
    flagged: int
    split: dict[str, int]
    snapshots: int
    shape: tuple[int, ...]
    stored_bytes: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the entries by name, JSON-able."""
        return {**asdict(self), "shape": list(self.shape)}


def ingest(
    files: Sequence[str | os.PathLike[str]],
    store_path: str | os.PathLike[str],
    settings: CorpusSettings | None = None,
    rejected_path: str | os.PathLike[str] | None = None,
    *,
    reader: str = "auto",
    options: Mapping[str, Any] | None = None,
    workers: int = 1,
    memory_limit: str = "4GB",
    scheduler: Scheduler = "processes",
    statuses: pd.DataFrame | None = None,
    keep_unlisted: bool = False,
    progress: Progress | None = None,
) -> IngestSummary:
    """Make, complete or extend a corpus.

    If the store exists and was made with the same settings from files that are all listed and unchanged, new files
    are appended and nothing old is rewritten; otherwise it is made anew and replaced at the end, as a whole.

    Parameters
    ----------
    files : sequence of paths
        Raw runs.
    store_path : path
        Zarr store to be.
    settings : CorpusSettings, optional
    rejected_path : path, optional
        CSV table of what was left out: simulation, file, what, severity, message.
    reader : str
        Name of a reader or "auto".
    options : mapping, optional
        Settings of the reader.
    workers, memory_limit, scheduler
        Of the local Dask cluster; see :class:`surrogate.corpus.parallel.Workers`. With "processes" the calling script
        must be guarded by ``if __name__ == "__main__":``.
    statuses : pandas.DataFrame, optional
        What became of simulations: columns simulation, file, status, reason. Those that failed count as rejected.
    keep_unlisted : bool
        Keep runs of an existing store whose files are no longer listed.
    progress : callable, optional
        Called as ``progress(stage, done, total)``.

    Returns
    -------
    IngestSummary

    Raises
    ------
    IngestError
        If there are no files, or more than ``settings.tolerated_rejects`` of the runs are rejected, or none is left.
    """
    started = time.monotonic()
    settings = settings or CorpusSettings()
    store = Path(store_path)
    finish_commit(store)
    pool = Workers(workers, memory_limit, scheduler)
    job = IngestJob(store, settings, reader, dict(options or {}), pool, progress)
    failed, files = _failed_simulations(statuses, [str(file) for file in files])
    names = list(dict.fromkeys(files))
    if not names and not failed:
        raise IngestError("no raw runs: the list of files is empty")
    old = job.existing(names, keep_unlisted)
    known = {entry["file"] for entry in old["runs"]} if old else set()
    new = [name for name in names if name not in known]
    with pool:
        surveys = job.survey(new)
        findings = [*failed, *_survey_findings(surveys)]
        readable = [record for record in surveys if "error" not in record]
        numbers = _numbers(readable, [entry["simulation"] for entry in old["runs"]] if old else [])
        records = job.stage(readable, numbers, old) if readable else []
    for record in records:
        findings += [Finding(**entry) for entry in record["findings"]]
    accepted = [record for record in records if record["accepted"]]
    findings += compare_runs(accepted, old["records"] if old else [], settings)
    out = {finding.file for finding in findings if finding.severity == SEVERE}
    accepted = [record for record in accepted if record["file"] not in out]
    write_rejected(rejected_path, [finding for finding in findings if finding.file in out])
    total = len({*names, *(finding.file for finding in failed)})
    check_rejects(out, findings, total, settings, rejected_path)
    if not accepted and not old:
        raise IngestError("no run is left for the corpus")
    if accepted:
        job.commit(accepted, surveys, findings, out, old)
    else:
        discard(store)
    return summarise(store, len(accepted), len(out), time.monotonic() - started)


def _failed_simulations(statuses: pd.DataFrame | None, files: list[str]) -> tuple[list[Finding], list[str]]:
    """Return findings about simulations that failed, and the files that are worth reading."""
    if statuses is None:
        return [], files
    missing = [name for name in ("simulation", "file", "status") if name not in statuses]
    if missing:
        raise IngestError(f"table of statuses: columns {missing} are missing; found {list(statuses.columns)}")
    findings = []
    for row in statuses[statuses["status"] == "failed"].to_dict("records"):
        file = row["file"] if isinstance(row["file"], str) and row["file"] else f"(run {row['simulation']})"
        reason = row.get("reason")
        text = reason if isinstance(reason, str) and reason else "no reason given"
        findings.append(Finding(int(row["simulation"]), file, "simulation failed", SEVERE, text))
    lost = {finding.file for finding in findings}
    return findings, [file for file in files if file not in lost]


def _survey_findings(surveys: Sequence[dict[str, Any]]) -> list[Finding]:
    return [
        Finding(record["simulation"], record["file"], "unreadable", SEVERE, record["error"])
        for record in surveys
        if "error" in record
    ]


def _numbers(readable: Sequence[dict[str, Any]], taken: Sequence[int]) -> list[int]:
    """Give every run a number of its own: what it says, or the next that is free."""
    used = set(taken)
    numbers = []
    for record in readable:
        number = record["simulation"]
        if number < 0 or number in used:
            number = max(used, default=-1) + 1
        used.add(number)
        numbers.append(number)
    return numbers


def write_rejected(path: str | os.PathLike[str] | None, findings: Sequence[Finding]) -> None:
    """Write the table of what was left out, if it has a name."""
    if path is not None:
        with atomic(path) as temporary:
            findings_table(findings).to_csv(temporary, index=False)


def check_rejects(out: set[str], findings: Sequence[Finding], total: int, settings: CorpusSettings, path: Any) -> None:
    """Raise if more of `total` runs are out than the settings tolerate, saying what is wrong with them."""
    if len(out) <= settings.tolerated_rejects * total:
        return
    kinds = pd.Series([finding.what for finding in findings if finding.severity == SEVERE]).value_counts()
    first = next(finding for finding in findings if finding.severity == SEVERE)
    raise IngestError(
        f"{len(out)} of {total} runs are rejected, corpus.tolerated_rejects allows {settings.tolerated_rejects:g} of "
        f"them: {', '.join(f'{what} ({count})' for what, count in kinds.items())}; first: {first.file}: "
        f"{first.message}" + (f"; all of them: {path}" if path is not None else "")
    )


def summarise(store: Path, added: int, rejected: int, seconds: float) -> IngestSummary:
    """Say what a store holds after an ingest."""
    corpus = open_corpus(store)
    flagged = {entry["simulation"] for entry in provenance_of(store)["findings"]}
    counts = np.bincount(corpus.split.values, minlength=len(SPLITS))
    shards = (store / "temperature" / "c").rglob("*")
    return IngestSummary(
        store=str(store),
        runs=corpus.sizes["simulation"],
        added=added,
        rejected=rejected,
        flagged=len(flagged),
        split={name: int(count) for name, count in zip(SPLITS, counts, strict=True)},
        snapshots=int(corpus.snapshot_count.sum()),
        shape=corpus.temperature.shape,
        stored_bytes=sum(entry.stat().st_size for entry in shards if entry.is_file()),
        seconds=round(seconds, 3),
    )
