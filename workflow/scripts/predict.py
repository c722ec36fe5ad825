from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import xarray as xr

    from surrogate.fields import write_netcdf
    from surrogate.files import provenance
    from surrogate.learning import Autoencoder, load_predictor, predict_split

    models, method = Path(snakemake.params.models), snakemake.wildcards.method
    predictor = None if method == "autoencoder" else load_predictor(method, models)
    latents = xr.load_dataset(snakemake.input.latents, engine="h5netcdf")
    prediction = predict_split(Autoencoder.load(models / "autoencoder"), latents, predictor)
    prediction.attrs.update(method=method, code_version=provenance()["code_version"])
    write_netcdf(prediction, snakemake.output[0], compress=False)
