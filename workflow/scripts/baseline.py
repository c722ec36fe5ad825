from _job import start

if __name__ == "__main__":
    start(snakemake)
    from surrogate.config import EvaluationSettings
    from surrogate.corpus import open_corpus
    from surrogate.fields import write_netcdf
    from surrogate.files import provenance
    from surrogate.learning import predict_baseline

    method = snakemake.wildcards.method
    settings = EvaluationSettings(pod_modes=snakemake.params.modes)
    prediction = predict_baseline(method, open_corpus(snakemake.params.store), settings)
    prediction.attrs.update(method=method, code_version=provenance()["code_version"])
    write_netcdf(prediction, snakemake.output[0], compress=False)
