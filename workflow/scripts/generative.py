from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import xarray as xr

    from surrogate.config import GenerativeSettings
    from surrogate.files import provenance
    from surrogate.learning.feedforward import FeedforwardPredictor
    from surrogate.learning.generative import train_generative

    latents = xr.load_dataset(snakemake.input[0], engine="h5netcdf")
    mean = FeedforwardPredictor.load(Path(snakemake.input.mean).parent)
    settings = GenerativeSettings(**snakemake.params[0]["generative"])
    train_generative(latents, mean, settings, Path(snakemake.output[0]).parent, provenance())
