from _job import start

if __name__ == "__main__":
    start(snakemake)
    import xarray as xr
    import yaml

    from surrogate.config import Config
    from surrogate.files import atomic
    from surrogate.learning import search_settings

    config = Config(**snakemake.params[0])
    plan = config.studies.search
    latents = xr.load_dataset(snakemake.input[0], engine="h5netcdf")
    settings = getattr(config, plan.predictor)
    trials, best = search_settings(latents, settings, plan, snakemake.params.journal)
    training = {name: value for name, value in best.items() if hasattr(settings.training, name)}
    own = {name: value for name, value in best.items() if name not in training}
    found = {plan.predictor: {**own, **({"training": training} if training else {})}}
    with atomic(snakemake.output.trials) as temporary:
        trials.to_csv(temporary, index=False)
    with atomic(snakemake.output.best) as temporary:
        temporary.write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")
    print(trials.head(10).to_string(index=False))
