from _job import start

if __name__ == "__main__":
    start(snakemake)
    from _runs import runs_of

    from surrogate.corpus import plan_ingest
    from surrogate.files import write_json

    write_json(snakemake.output[0], {"key": plan_ingest(**runs_of(snakemake))})
