from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import pandas as pd

    from surrogate.corpus import open_corpus
    from surrogate.files import atomic, provenance, read_json
    from surrogate.learning import train_at_compression
    from surrogate.methods import METHODS

    share, sections = snakemake.params.epochs, snakemake.params[0]
    autoencoder, fnn = (METHODS[key].make_settings(sections[key]) for key in ("autoencoder", "fnn"))
    points = train_at_compression(
        float(snakemake.wildcards.compression),
        open_corpus(snakemake.params.store),
        autoencoder,
        fnn,
        Path(snakemake.output[0]).parent,
        # Networks that were trained longer than the others would stand out of the curve.
        snakemake.params.models if share == 1.0 else None,
        provenance(corpus=read_json(snakemake.input.corpus)),
        share=share,
    )
    with atomic(snakemake.output[0]) as temporary:
        pd.DataFrame(points).to_csv(temporary, index=False)
    print(*points, sep="\n")
