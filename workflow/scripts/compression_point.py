from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import pandas as pd

    from surrogate.config import AutoencoderSettings, FnnSettings
    from surrogate.corpus.store import open_corpus
    from surrogate.files import atomic, provenance, read_json
    from surrogate.learning.compression import fewer_epochs, train_at

    share = snakemake.params.epochs
    settings = AutoencoderSettings(**snakemake.params[0]["autoencoder"])
    fnn = FnnSettings(**snakemake.params[0]["fnn"])
    points = train_at(
        float(snakemake.wildcards.compression),
        open_corpus(snakemake.params.store),
        fewer_epochs(settings, share),
        fewer_epochs(fnn, share),
        Path(snakemake.output[0]).parent,
        # Networks that were trained longer than the others would stand out of the curve.
        snakemake.params.models if share == 1.0 else None,
        provenance(corpus=read_json(snakemake.input.corpus)),
    )
    with atomic(snakemake.output[0]) as temporary:
        pd.DataFrame(points).to_csv(temporary, index=False)
    print(*points, sep="\n")
