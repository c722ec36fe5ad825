from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    import xarray as xr

    from surrogate.fields import write_netcdf
    from surrogate.files import provenance
    from surrogate.learning.autoencoder import Autoencoder
    from surrogate.learning.feedforward import FeedforwardPredictor
    from surrogate.learning.generative import GenerativePredictor
    from surrogate.learning.predictions import predict_split
    from surrogate.learning.recurrent import RecurrentPredictor

    models = Path(snakemake.params.models)

    def feedforward():
        return FeedforwardPredictor.load(models / "feedforward")

    predictor = {
        "autoencoder": lambda: None,
        "fnn": feedforward,
        "lstm": lambda: RecurrentPredictor.load(models / "recurrent"),
        "flow": lambda: GenerativePredictor.load(models / "generative", feedforward()),
    }[snakemake.wildcards.method]()
    latents = xr.load_dataset(snakemake.input.latents, engine="h5netcdf")
    prediction = predict_split(Autoencoder.load(models / "autoencoder"), latents, predictor)
    prediction.attrs.update(method=snakemake.wildcards.method, code_version=provenance()["code_version"])
    write_netcdf(prediction, snakemake.output[0], compress=False)
