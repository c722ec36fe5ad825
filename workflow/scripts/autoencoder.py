from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    from surrogate.config import AutoencoderSettings
    from surrogate.corpus.store import open_corpus
    from surrogate.files import provenance, read_json
    from surrogate.learning.autoencoder import train_autoencoder

    train_autoencoder(
        open_corpus(snakemake.params.store),
        AutoencoderSettings(**snakemake.params[0]["autoencoder"]),
        Path(snakemake.output[0]).parent,
        provenance(corpus=read_json(snakemake.input[0])),
    )
