from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import xarray as xr

    from surrogate.fields import write_netcdf
    from surrogate.files import provenance
    from surrogate.learning.autoencoder import Autoencoder
    from surrogate.learning.flow import FlowPredictor
    from surrogate.learning.fnn import FnnPredictor
    from surrogate.learning.lstm import LstmPredictor
    from surrogate.learning.predictions import predict_split

    models = Path(snakemake.params.models)

    def fnn():
        return FnnPredictor.load(models / "fnn")

    predictor = {
        "autoencoder": lambda: None,
        "fnn": fnn,
        "lstm": lambda: LstmPredictor.load(models / "lstm"),
        "flow": lambda: FlowPredictor.load(models / "flow", fnn()),
    }[snakemake.wildcards.method]()
    latents = xr.load_dataset(snakemake.input.latents, engine="h5netcdf")
    prediction = predict_split(Autoencoder.load(models / "autoencoder"), latents, predictor)
    prediction.attrs.update(method=snakemake.wildcards.method, code_version=provenance()["code_version"])
    write_netcdf(prediction, snakemake.output[0], compress=False)
