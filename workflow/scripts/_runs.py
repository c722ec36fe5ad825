"""What planning and making the store have in common: which raw runs, and how they are read."""

from typing import Any


def workers_of(snakemake: Any) -> dict[str, Any]:
    """The local Dask cluster of this job, as large as what the job was given, and a line of progress for the log."""
    from surrogate.config import parse
    from surrogate.corpus import workers_memory

    resources = parse(snakemake.config).resources  # no parameter of the rule: the result does not depend on it
    return {
        "workers": snakemake.threads,
        "memory_limit": workers_memory(snakemake.resources.mem_mb),
        "scheduler": resources.ingest_scheduler,
        "progress": lambda stage, done, total: print(f"{stage}: {done} of {total}"),
    }


def runs_of(snakemake: Any) -> dict[str, Any]:
    """Arguments of the ingest, from the tables that the simulation, or the list of files, left."""
    import pandas as pd

    from surrogate.config import CorpusSettings, ParameterSettings

    tables = [pd.read_csv(path, keep_default_na=False) for path in snakemake.input.tables]
    statuses = pd.concat(tables, ignore_index=True)
    return {
        "files": list(statuses.file[statuses.status != "failed"]),
        "store_path": snakemake.params.store,
        "settings": CorpusSettings(**snakemake.params[0]["corpus"]),
        "reader": snakemake.params.reader,
        "options": snakemake.params.options,
        "parameters": {name: ParameterSettings(**entry) for name, entry in snakemake.params.parameters.items()},
        "statuses": statuses,
        **workers_of(snakemake),
    }
