from _job import start

if __name__ == "__main__":
    start(snakemake)
    import tempfile
    from pathlib import Path

    import numpy as np
    import pandas as pd
    import xarray as xr

    from surrogate.config import FnnSettings, LstmSettings
    from surrogate.corpus.store import open_corpus
    from surrogate.fields import SPLITS, parameter_table, select_split, valid_snapshots
    from surrogate.files import atomic
    from surrogate.learning.autoencoder import Autoencoder
    from surrogate.learning.compression import measured
    from surrogate.learning.fnn import FnnPredictor, train_fnn
    from surrogate.learning.lstm import LstmPredictor, train_lstm

    latents = xr.load_dataset(snakemake.input.latents, engine="h5netcdf")
    method, models = snakemake.wildcards.method, Path(snakemake.input.autoencoder).parent.parent
    train = np.flatnonzero(latents.split.values == SPLITS.index("train"))
    # One order for all shares and methods: a larger share holds every run of a smaller one.
    order = np.random.default_rng(snakemake.params.seed).permutation(train)
    runs = max(2, round(float(snakemake.wildcards.share) * len(train)))
    part = latents.isel(simulation=np.setdiff1d(np.arange(latents.sizes["simulation"]), order[runs:]))
    with tempfile.TemporaryDirectory() as folder:
        if runs == len(train):  # that is the predictor of the run itself
            kinds = {"fnn": FnnPredictor, "lstm": LstmPredictor}
            predictor = kinds[method].load(models / kinds[method].kind)
        elif method == "fnn":
            predictor = train_fnn(part, FnnSettings(**snakemake.params[0]["fnn"]), folder)
        else:
            predictor = train_lstm(part, LstmSettings(**snakemake.params[0]["lstm"]), folder)
    test = select_split(latents, "test")
    times = test.snapshot_time.values
    last = np.nanmax(times, axis=1, keepdims=True)
    # Padding gets times after the last one, which are predicted and not counted.
    padded = np.where(np.isfinite(times), times, last + 1e-3 * np.cumsum(np.isnan(times), axis=1))
    start_from = {} if method == "fnn" else {"initial_latent": test.latent.values[:, 0]}
    predicted = np.asarray(predictor.predict(parameter_table(test), padded, **start_from))
    valid = valid_snapshots(test)
    everything = select_split(latents, "train")
    scale = everything.latent.values[valid_snapshots(everything)].std(axis=0)
    error = float((((predicted - test.latent.values)[valid] / scale) ** 2).mean())
    row = {"method": method, "runs": runs, "mean_square_error": error}
    row |= measured(open_corpus(snakemake.params.store), latents, Autoencoder.load(models / "autoencoder"), predictor)
    with atomic(snakemake.output[0]) as temporary:
        pd.DataFrame([row]).to_csv(temporary, index=False)
    print(row)
