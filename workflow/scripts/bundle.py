from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    from surrogate.config import Config
    from surrogate.corpus import open_corpus
    from surrogate.files import read_json
    from surrogate.query import write_bundle

    config = Config(**snakemake.params[0])
    write_bundle(
        Path(snakemake.output[0]).parent,
        snakemake.params.models,
        open_corpus(snakemake.params.store),
        metrics=read_json(snakemake.input.metrics),
        planet=config.make_planet(),
        conductivity=snakemake.params.conductivity,
        crust_heating=snakemake.params.crust_heating,
        name=snakemake.params.name,
        origin={"configuration": snakemake.params.configuration, "corpus": read_json(snakemake.input.corpus)},
    )
