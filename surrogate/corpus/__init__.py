"""Raw runs of any solver become one store.

The names below are imported when they are first used: a rule of the workflow does not wait for Dask and Zarr.
"""
# ruff: noqa: F401  (the imports are for type checkers and editors)

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surrogate.corpus.checks.doctor import Examination, examine, examine_store, join_examinations
    from surrogate.corpus.checks.report import (
        html_report,
        inspect_file,
        inspection_text,
        markdown_report,
        show_store,
        store_text,
    )
    from surrogate.corpus.design import (
        DesignError,
        design_space,
        make_design,
        parameters_of_run,
        read_design,
        write_design,
    )
    from surrogate.corpus.ingestion.plan import IngestError, PlanError
    from surrogate.corpus.ingestion.run import IngestSummary, ingest, ingest_part, plan_ingest
    from surrogate.corpus.readers import Reader, ReaderError, open_run, reader_names
    from surrogate.corpus.readers.lazy import lazy_run
    from surrogate.corpus.records import Finding, RunRecord
    from surrogate.corpus.storage import CorpusError
    from surrogate.corpus.store import Provenance, open_corpus, provenance_of, run_reader, statistics
    from surrogate.corpus.workers import job_memory, workers_memory

_HOME = {
    "checks.doctor": ("Examination", "examine", "examine_store", "join_examinations"),
    "checks.report": (
        "html_report",
        "inspect_file",
        "inspection_text",
        "markdown_report",
        "show_store",
        "store_text",
    ),
    "design": ("DesignError", "design_space", "make_design", "parameters_of_run", "read_design", "write_design"),
    "ingestion.plan": ("IngestError", "PlanError"),
    "ingestion.run": ("IngestSummary", "ingest", "ingest_part", "plan_ingest"),
    "readers": ("Reader", "ReaderError", "open_run", "reader_names"),
    "readers.lazy": ("lazy_run",),
    "records": ("Finding", "RunRecord"),
    "storage": ("CorpusError",),
    "store": ("Provenance", "open_corpus", "provenance_of", "run_reader", "statistics"),
    "workers": ("job_memory", "workers_memory"),
}
_MODULE = {name: f"{__name__}.{module}" for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
