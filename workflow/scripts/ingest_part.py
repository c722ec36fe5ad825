from _job import start

if __name__ == "__main__":
    start(snakemake)
    from _runs import workers_of

    from surrogate.corpus import ingest_part
    from surrogate.files import read_json, write_json

    key = read_json(snakemake.input[0])["key"]
    part = int(snakemake.wildcards.part)
    counts = ingest_part(snakemake.params.store, key, part, snakemake.params.parts, **workers_of(snakemake))
    print(f"{counts['runs']} runs, {counts['rejected']} of them rejected")
    write_json(snakemake.output[0], counts)
