from _job import start

if __name__ == "__main__":
    start(snakemake)
    import pandas as pd

    from surrogate.config import Config
    from surrogate.corpus.ingest import ingest
    from surrogate.files import write_json

    config = Config(**snakemake.params[0])
    statuses = pd.concat([pd.read_csv(path, keep_default_na=False) for path in snakemake.input], ignore_index=True)
    summary = ingest(
        list(statuses.file[statuses.status != "failed"]),
        snakemake.params.store,
        config.corpus,
        snakemake.output.rejected,
        reader=config.source.reader,
        options=config.source.options,
        workers=snakemake.threads,
        memory_limit=snakemake.params.memory_limit,
        statuses=statuses,
        progress=lambda stage, done, total: print(f"{stage}: {done} of {total}"),
    )
    write_json(snakemake.output.summary, summary.as_dict())
