"""Raw runs of any solver become one store.

The names below are imported when they are first used: a rule of the workflow does not wait for Dask and Zarr.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surrogate.corpus.checks.doctor import Examination as Examination
    from surrogate.corpus.checks.doctor import examine as examine
    from surrogate.corpus.checks.doctor import examine_store as examine_store
    from surrogate.corpus.checks.doctor import join_examinations as join_examinations
    from surrogate.corpus.checks.report import FINDING_HEADER as FINDING_HEADER
    from surrogate.corpus.checks.report import finding_rows as finding_rows
    from surrogate.corpus.checks.report import html_report as html_report
    from surrogate.corpus.checks.report import inspect_file as inspect_file
    from surrogate.corpus.checks.report import inspection_text as inspection_text
    from surrogate.corpus.checks.report import markdown_report as markdown_report
    from surrogate.corpus.checks.report import show_store as show_store
    from surrogate.corpus.checks.report import store_text as store_text
    from surrogate.corpus.design import DesignError as DesignError
    from surrogate.corpus.design import design_space as design_space
    from surrogate.corpus.design import make_design as make_design
    from surrogate.corpus.design import parameters_of_run as parameters_of_run
    from surrogate.corpus.design import read_design as read_design
    from surrogate.corpus.design import write_design as write_design
    from surrogate.corpus.ingestion.plan import IngestError as IngestError
    from surrogate.corpus.ingestion.plan import PlanError as PlanError
    from surrogate.corpus.ingestion.run import IngestSummary as IngestSummary
    from surrogate.corpus.ingestion.run import ingest as ingest
    from surrogate.corpus.ingestion.run import ingest_part as ingest_part
    from surrogate.corpus.ingestion.run import plan_ingest as plan_ingest
    from surrogate.corpus.readers import Reader as Reader
    from surrogate.corpus.readers import ReaderError as ReaderError
    from surrogate.corpus.readers import open_run as open_run
    from surrogate.corpus.readers import reader_names as reader_names
    from surrogate.corpus.readers.lazy import lazy_run as lazy_run
    from surrogate.corpus.readers.lazy import stated_parameters as stated_parameters
    from surrogate.corpus.records import Finding as Finding
    from surrogate.corpus.records import RunRecord as RunRecord
    from surrogate.corpus.storage import CorpusError as CorpusError
    from surrogate.corpus.store import Provenance as Provenance
    from surrogate.corpus.store import open_corpus as open_corpus
    from surrogate.corpus.store import provenance_of as provenance_of
    from surrogate.corpus.store import run_reader as run_reader
    from surrogate.corpus.store import statistics as statistics
    from surrogate.corpus.workers import job_memory as job_memory
    from surrogate.corpus.workers import workers_memory as workers_memory

_HOME = {
    "checks.doctor": ("Examination", "examine", "examine_store", "join_examinations"),
    "checks.report": (
        "FINDING_HEADER",
        "finding_rows",
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
    "readers.lazy": ("lazy_run", "stated_parameters"),
    "records": ("Finding", "RunRecord"),
    "storage": ("CorpusError",),
    "store": ("Provenance", "open_corpus", "provenance_of", "run_reader", "statistics"),
    "workers": ("job_memory", "workers_memory"),
}
_MODULE = {name: f"{__name__}.{module}" for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE)

if not TYPE_CHECKING:  # for which a misspelt name is an error

    def __getattr__(name: str) -> Any:
        if name not in _MODULE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULE[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
