from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import xarray as xr

    from surrogate.config import FeedforwardSettings, RecurrentSettings
    from surrogate.files import provenance
    from surrogate.learning.feedforward import train_feedforward
    from surrogate.learning.recurrent import train_recurrent

    latents = xr.load_dataset(snakemake.input[0], engine="h5netcdf")
    folder = Path(snakemake.output[0]).parent
    if snakemake.rule == "feedforward":
        settings = FeedforwardSettings(**snakemake.params[0]["feedforward"])
        train_feedforward(latents, settings, folder, provenance())
    else:
        settings = RecurrentSettings(**snakemake.params[0]["recurrent"])
        train_recurrent(latents, settings, folder, provenance())
