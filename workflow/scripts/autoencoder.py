from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    from surrogate.corpus import open_corpus
    from surrogate.files import provenance, read_json
    from surrogate.learning import train_autoencoder
    from surrogate.methods import METHODS

    train_autoencoder(
        open_corpus(snakemake.params.store),
        METHODS["autoencoder"].make_settings(snakemake.params[0]["autoencoder"]),
        Path(snakemake.output[0]).parent,
        provenance(corpus=read_json(snakemake.input[0])),
    )
