"""Raw runs in, one store out: read, check, bring onto one grid, write, split; interrupted anywhere, run it again.

Runs are looked at first (metadata only), then converted one by one in a folder beside the store, each with a record in
a journal, then committed (:mod:`surrogate.corpus.ingestion.commit`). Memory is that of one run per worker, whatever
their number.
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

from surrogate.config import CorpusSettings, ParameterSettings
from surrogate.corpus.checks.doctor import compare_runs, near_across_split
from surrogate.corpus.ingestion.commit import finish_commit, write_commit
from surrogate.corpus.ingestion.convert import convert_run, read_record
from surrogate.corpus.ingestion.plan import (
    ExistingStore,
    IngestError,
    Plan,
    Progress,
    Request,
    discard_staging,
    existing_store,
    make_plan,
    read_plan,
    survey_runs,
)
from surrogate.corpus.readers import expand_runs
from surrogate.corpus.records import SEVERE, Finding, RunRecord, findings_table
from surrogate.corpus.space import agree
from surrogate.corpus.split import assign_split
from surrogate.corpus.store import Provenance, open_corpus, provenance_of
from surrogate.corpus.workers import Scheduler, Workers
from surrogate.fields import SPLITS
from surrogate.files import atomic, follow_link, provenance

TASK_BYTES = 2**26
"""Runs are given to workers in parcels of so many bytes, of float32."""


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
    notes : tuple of str
        What was taken from the runs because nobody said it, and which parameters are left out.
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
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the entries by name, JSON-able."""
        return {**asdict(self), "shape": list(self.shape), "notes": list(self.notes)}


def ingest(
    files: Sequence[str | os.PathLike[str]],
    store_path: str | os.PathLike[str],
    settings: CorpusSettings | None = None,
    rejected_path: str | os.PathLike[str] | None = None,
    *,
    reader: str = "auto",
    options: Mapping[str, Any] | None = None,
    parameters: Mapping[str, ParameterSettings] | None = None,
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
    parameters : mapping of ParameterSettings, optional
        Which parameters count, and what is known of them; default: all that vary among the runs. A run that lacks one
        is rejected.
    workers, memory_limit, scheduler
        Of the local Dask cluster; see :class:`surrogate.corpus.workers.Workers`. With "processes" the calling script
        must be guarded by ``if __name__ == "__main__":``.
    statuses : pandas.DataFrame, optional
        What became of simulations: columns simulation, file, status, reason. Those that failed count as rejected.
    keep_unlisted : bool
        Keep runs of an existing store whose files are no longer listed.
    progress : callable, optional
        Called as ``progress(stage, done, total)``, stages "survey" and "ingest".

    Returns
    -------
    IngestSummary

    Raises
    ------
    IngestError
        If there are no files, or more than ``settings.tolerated_rejects`` of the runs are rejected, or none is left.
    """
    started = time.monotonic()
    settings, store = settings or CorpusSettings(), follow_link(store_path)
    request = Request(settings, reader, dict(options or {}), dict(parameters or {}))
    findings, names = _failed_simulations(statuses, files, reader)
    total = len({*names, *(finding.file for finding in findings)})
    with Workers(workers, memory_limit, scheduler) as pool:
        old, seen, plan = _prepare(store, request, names, keep_unlisted, bool(findings), pool, progress)
        records = convert_runs(store, plan, pool, progress) if plan is not None else []
        pool.release()
    findings += [finding for record in [*seen, *records] for finding in record.findings]
    accepted = [record for record in records if record.accepted]
    findings += compare_runs(accepted, old.records if old else [], settings)
    out = {finding.file for finding in findings if finding.severity == SEVERE}
    accepted = [record for record in accepted if record.file not in out]
    rejected = [finding for finding in findings if finding.file in out]
    if rejected_path is not None:
        with atomic(rejected_path) as temporary:
            findings_table(rejected).to_csv(temporary, index=False)
    _check_rejects(rejected, len(out), total, settings, rejected_path)
    if plan is not None and accepted:
        everyone = [*(old.records if old else []), *accepted]
        split = assign_split(
            [record.simulation for record in everyone], settings, old.corpus.split.values if old else None
        )
        findings += near_across_split(everyone, split, plan.parameters.space, known=len(everyone) - len(accepted))
        notes = Provenance(
            request.as_dict(),
            [*(old.provenance.software if old else []), provenance()],
            everyone,
            [
                *(old.provenance.findings if old else []),
                *(finding for finding in findings if finding.file not in out),
            ],
            rejected,
        )
        write_commit(store, plan, accepted, split, notes, old)
        finish_commit(store)
    elif old is None:
        raise IngestError("no run is left for the corpus")
    else:
        discard_staging(store)
    notes_on = plan.parameters.notes if plan is not None else ()
    return _summarise(store, len(accepted), len(out), time.monotonic() - started, notes_on)


def plan_ingest(
    files: Sequence[str | os.PathLike[str]],
    store_path: str | os.PathLike[str],
    settings: CorpusSettings | None = None,
    *,
    reader: str = "auto",
    options: Mapping[str, Any] | None = None,
    parameters: Mapping[str, ParameterSettings] | None = None,
    workers: int = 1,
    memory_limit: str = "4GB",
    scheduler: Scheduler = "processes",
    statuses: pd.DataFrame | None = None,
    keep_unlisted: bool = False,
    progress: Progress | None = None,
) -> str:
    """Look at raw runs and plan their ingest, so that several jobs can convert them at the same time.

    The first of three steps: :func:`ingest_part` in as many jobs as one likes, on any machines that share the file
    system, then :func:`ingest` with the same arguments, which finds the runs converted, compares them and makes the
    store.

    Parameters
    ----------
    files, store_path, settings, reader, options, parameters, workers, memory_limit, scheduler, statuses, keep_unlisted,
        progress
        As :func:`ingest` takes them.

    Returns
    -------
    str
        Key of the plan; empty if there is nothing new to convert.

    Raises
    ------
    IngestError
        If there are no files.
    """
    request = Request(settings or CorpusSettings(), reader, dict(options or {}), dict(parameters or {}))
    failed, names = _failed_simulations(statuses, files, reader)
    with Workers(workers, memory_limit, scheduler) as pool:
        _, _, plan = _prepare(follow_link(store_path), request, names, keep_unlisted, bool(failed), pool, progress)
    return "" if plan is None else plan.key


def ingest_part(
    store_path: str | os.PathLike[str],
    key: str,
    part: int,
    parts: int,
    *,
    workers: int = 1,
    memory_limit: str = "4GB",
    scheduler: Scheduler = "processes",
    progress: Progress | None = None,
) -> dict[str, int]:
    """Convert one part of the runs of a plan: read, check, regrid, write.

    Parameters
    ----------
    store_path : path
    key : str
        What :func:`plan_ingest` returned.
    part, parts : int
        This part, from 0, of so many.
    workers, memory_limit, scheduler, progress
        As :func:`ingest` takes them.

    Returns
    -------
    dict
        ``runs`` and, of these, ``rejected``: their own findings are severe. They do not make the part fail.

    Raises
    ------
    PlanError
        If the plan is not there any more.
    """
    if not key:
        return {"runs": 0, "rejected": 0}
    store = follow_link(store_path)
    plan = read_plan(store, key)
    with Workers(workers, memory_limit, scheduler) as pool:
        records = convert_runs(store, plan, pool, progress, part, parts)
    return {"runs": len(records), "rejected": sum(not record.accepted for record in records)}


def convert_runs(
    store: Path, plan: Plan, workers: Workers, progress: Progress | None, part: int = 0, parts: int = 1
) -> list[RunRecord]:
    """Convert every run of one part of a plan that is not in its journal yet; return all records in their order."""
    candidates = range(part, len(plan.runs), parts)
    found = {candidate: read_record(store, candidate) for candidate in candidates}
    records = [record for record in found.values() if record is not None]
    calls = [(store, plan.key, candidate) for candidate, record in found.items() if record is None]
    if progress is not None:
        progress("ingest", len(records), len(candidates))
    size, together = plan.run_bytes * len(calls), TASK_BYTES // plan.run_bytes
    for record in workers.map(convert_run, calls, size, together):
        records.append(record)
        if progress is not None:
            progress("ingest", len(records), len(candidates))
    order = {run.file: candidate for candidate, run in enumerate(plan.runs)}
    return sorted(records, key=lambda record: order[record.file])


def _prepare(
    store: Path,
    request: Request,
    names: list[str],
    keep_unlisted: bool,
    failed: bool,
    workers: Workers,
    progress: Progress | None,
) -> tuple[ExistingStore | None, list[RunRecord], Plan | None]:
    """Return what the store holds already, which files cannot be opened, and the plan for the others that are new."""
    finish_commit(store)
    if not names and not failed:
        raise IngestError("no raw runs: the list of files is empty")
    old = existing_store(store, names, request, keep_unlisted)
    known = {run.file for run in old.provenance.runs} if old else set()
    seen = survey_runs([name for name in names if name not in known], request, store, workers, progress)
    readable = [record for record in seen if record.accepted]
    if old is not None and not keep_unlisted and any(map(old.parameters.contradiction, readable)):
        old = None  # perhaps a parameter varies now that did not
        seen = survey_runs(names, request, store, workers, progress)
        readable = [record for record in seen if record.accepted]
    plan = None
    if readable:
        parameters = old.parameters if old is not None else agree(readable, request.parameters)
        plan = make_plan(request, readable, parameters, old)
        plan.write(store)
    return old, [record for record in seen if not record.accepted], plan


def _failed_simulations(
    statuses: pd.DataFrame | None, files: Sequence[str | os.PathLike[str]], reader: str
) -> tuple[list[Finding], list[str]]:
    """Return findings about simulations that failed, and the files that are worth reading, each once."""
    if statuses is None:
        return [], expand_runs(files, reader)
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
    return findings, expand_runs([file for file in files if str(file) not in lost], reader)


def _check_rejects(
    rejected: Sequence[Finding],
    count: int,
    total: int,
    settings: CorpusSettings,
    path: str | os.PathLike[str] | None,
) -> None:
    """Raise if more of `total` runs are out than the settings tolerate, saying what is wrong with them."""
    if count <= settings.tolerated_rejects * total:
        return
    severe = [finding for finding in rejected if finding.severity == SEVERE]
    kinds = pd.Series([finding.what for finding in severe]).value_counts()
    raise IngestError(
        f"{count} of {total} runs are rejected, corpus.tolerated_rejects allows {settings.tolerated_rejects:g} of "
        f"them: {', '.join(f'{what} ({number})' for what, number in kinds.items())}; first: {severe[0].file}: "
        f"{severe[0].message}" + (f"; all of them: {path}" if path is not None else "")
    )


def _summarise(store: Path, added: int, rejected: int, seconds: float, notes: tuple[str, ...]) -> IngestSummary:
    """Say what a store holds after an ingest."""
    corpus = open_corpus(store)
    counts = np.bincount(corpus.split.values, minlength=len(SPLITS))
    shards = (store / "temperature" / "c").rglob("*")
    return IngestSummary(
        store=str(store),
        runs=corpus.sizes["simulation"],
        added=added,
        rejected=rejected,
        flagged=len({finding.simulation for finding in provenance_of(store).findings}),
        split={name: int(count) for name, count in zip(SPLITS, counts, strict=True)},
        snapshots=int(corpus.snapshot_count.sum()),
        shape=corpus.temperature.shape,
        stored_bytes=sum(entry.stat().st_size for entry in shards if entry.is_file()),
        seconds=round(seconds, 3),
        notes=notes,
    )
