from _job import start

if __name__ == "__main__":
    start(snakemake)
    from _runs import runs_of

    from surrogate.corpus import ingest
    from surrogate.files import write_json

    summary = ingest(**runs_of(snakemake), rejected_path=snakemake.output.rejected)
    for note in summary.notes:
        print(f"parameters: {note}")
    write_json(snakemake.output.summary, summary.as_dict())
