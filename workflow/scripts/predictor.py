from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import xarray as xr

    from surrogate.config import FnnSettings, LstmSettings
    from surrogate.files import provenance
    from surrogate.learning.fnn import train_fnn
    from surrogate.learning.lstm import train_lstm

    latents = xr.load_dataset(snakemake.input[0], engine="h5netcdf")
    folder = Path(snakemake.output[0]).parent
    if snakemake.rule == "fnn":
        settings = FnnSettings(**snakemake.params[0]["fnn"])
        train_fnn(latents, settings, folder, provenance())
    else:
        settings = LstmSettings(**snakemake.params[0]["lstm"])
        train_lstm(latents, settings, folder, provenance())
