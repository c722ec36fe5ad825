from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import pandas as pd
    import xarray as xr

    from surrogate.corpus import open_corpus
    from surrogate.files import atomic
    from surrogate.learning import train_on_share
    from surrogate.methods import METHODS

    method = snakemake.wildcards.method
    row = train_on_share(
        method,
        float(snakemake.wildcards.share),
        open_corpus(snakemake.params.store),
        xr.load_dataset(snakemake.input.latents, engine="h5netcdf"),
        METHODS[method].make_settings(snakemake.params[0][method]),
        Path(snakemake.input.autoencoder).parent.parent,
        snakemake.params.seed,
    )
    with atomic(snakemake.output[0]) as temporary:
        pd.DataFrame([row]).to_csv(temporary, index=False)
    print(row)
