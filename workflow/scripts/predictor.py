from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import xarray as xr

    from surrogate.files import provenance
    from surrogate.learning import train_predictor
    from surrogate.methods import METHODS

    method = snakemake.rule
    train_predictor(
        method,
        xr.load_dataset(snakemake.input.latents, engine="h5netcdf"),
        METHODS[method].make_settings(snakemake.params[0][method]),
        Path(snakemake.output[0]).parent,
        provenance(),
    )
