"""Raw runs in, one store out: read, check, bring onto one grid, write, split; interrupted anywhere, run it again.

Runs are looked at first (metadata only), then staged one by one in a folder beside the store, each with a record in a
journal, then assembled (:mod:`surrogate.corpus.assembly`). Memory is that of one run per worker, whatever their number.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from surrogate.config import CorpusSettings
from surrogate.corpus.assembly import discard, finish_commit
from surrogate.corpus.doctor import compare_runs
from surrogate.corpus.findings import SEVERE, Finding
from surrogate.corpus.job import IngestJob, Progress, stage_runs
from surrogate.corpus.outcome import IngestError, IngestSummary, check_rejects, summarise, write_rejected
from surrogate.corpus.parallel import Scheduler, Workers
from surrogate.corpus.plan import Plan, read_plan
from surrogate.corpus.survey import Survey


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
    pool = Workers(workers, memory_limit, scheduler)
    job = IngestJob(store, settings, reader, dict(options or {}), pool, progress)
    failed, names = _failed_simulations(statuses, files)
    with pool:
        old, seen, plan = _prepare(job, names, keep_unlisted, bool(failed))
        records = stage_runs(plan, pool, progress) if plan is not None else []
        pool.release()
        findings = [*failed, *_survey_findings(seen.runs)]
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
        if plan is not None and accepted:
            job.commit(plan, accepted, findings, out, old)
        else:
            discard(store)
    return summarise(store, len(accepted), len(out), time.monotonic() - started)


def plan_ingest(
    files: Sequence[str | os.PathLike[str]],
    store_path: str | os.PathLike[str],
    settings: CorpusSettings | None = None,
    *,
    reader: str = "auto",
    options: Mapping[str, Any] | None = None,
    workers: int = 1,
    memory_limit: str = "4GB",
    scheduler: Scheduler = "processes",
    statuses: pd.DataFrame | None = None,
    keep_unlisted: bool = False,
    progress: Progress | None = None,
) -> str:
    """Look at raw runs and plan their ingest, so that several jobs can stage them at the same time.

    The first of three steps: :func:`stage_part` in as many jobs as one likes, on any machines that share the file
    system, then :func:`ingest` with the same arguments, which finds the runs staged, compares them and makes the store.

    Parameters
    ----------
    files, store_path, settings, reader, options, workers, memory_limit, scheduler, statuses, keep_unlisted, progress
        As :func:`ingest` takes them.

    Returns
    -------
    str
        Key of the plan; empty if there is nothing new to stage.

    Raises
    ------
    IngestError
        If there are no files.
    """
    pool = Workers(workers, memory_limit, scheduler)
    job = IngestJob(Path(store_path), settings or CorpusSettings(), reader, dict(options or {}), pool, progress)
    failed, names = _failed_simulations(statuses, files)
    with pool:
        _, seen, plan = _prepare(job, names, keep_unlisted, bool(failed))
    if plan is None:
        return ""
    seen.write(job.staging / "survey.json")
    return plan.key


def stage_part(
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
    """Stage one part of the runs of a plan: read, check, regrid, write.

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
    plan = read_plan(Path(store_path), key)
    with Workers(workers, memory_limit, scheduler) as pool:
        records = stage_runs(plan, pool, progress, part, parts)
    return {"runs": len(records), "rejected": sum(not record["accepted"] for record in records)}


def _prepare(
    job: IngestJob, names: list[str], keep_unlisted: bool, failed: bool
) -> tuple[dict[str, Any] | None, Survey, Plan | None]:
    """Return what the store holds already, what was seen of the other files, and the plan of staging them."""
    finish_commit(job.store)
    if not names and not failed:
        raise IngestError("no raw runs: the list of files is empty")
    old = job.existing(names, keep_unlisted)
    known = {entry["file"] for entry in old["runs"]} if old else set()
    return old, *job.prepare([name for name in names if name not in known], old)


def _failed_simulations(
    statuses: pd.DataFrame | None, files: Sequence[str | os.PathLike[str]]
) -> tuple[list[Finding], list[str]]:
    """Return findings about simulations that failed, and the files that are worth reading, each once."""
    names = list(dict.fromkeys(str(file) for file in files))
    if statuses is None:
        return [], names
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
    return findings, [name for name in names if name not in lost]


def _survey_findings(surveys: Sequence[dict[str, Any]]) -> list[Finding]:
    return [
        Finding(record["simulation"], record["file"], "unreadable", SEVERE, record["error"])
        for record in surveys
        if "error" in record
    ]
