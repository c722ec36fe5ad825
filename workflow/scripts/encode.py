from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    from surrogate.corpus import open_corpus
    from surrogate.learning import Autoencoder, encode_corpus

    autoencoder = Autoencoder.load(Path(snakemake.input.model).parent)
    encode_corpus(autoencoder, open_corpus(snakemake.params.store), snakemake.output[0])
