from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import xarray as xr

    from surrogate.config import FlowSettings
    from surrogate.files import provenance
    from surrogate.learning.flow import train_flow
    from surrogate.learning.fnn import FnnPredictor

    latents = xr.load_dataset(snakemake.input[0], engine="h5netcdf")
    mean = FnnPredictor.load(Path(snakemake.input.mean).parent)
    settings = FlowSettings(**snakemake.params[0]["flow"])
    train_flow(latents, mean, settings, Path(snakemake.output[0]).parent, provenance())
