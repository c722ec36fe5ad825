# The store -> latents -> predictors -> predictions of the unseen runs.
# No rule asks for a GPU: a profile does (profiles/gpu, profiles/slurm).


rule autoencoder:
    input:
        f"{RESULTS}/corpus.json",
    output:
        f"{RESULTS}/models/autoencoder/manifest.json",
        f"{RESULTS}/models/autoencoder/losses.csv",
    log:
        f"{RESULTS}/logs/autoencoder.log",
    benchmark:
        f"{RESULTS}/benchmarks/autoencoder.tsv"
    threads: share(1)
    params:
        section("autoencoder"),
        store=f"{RESULTS}/corpus.zarr",
    script:
        "../scripts/autoencoder.py"


rule encode:
    input:
        corpus=f"{RESULTS}/corpus.json",
        model=f"{RESULTS}/models/autoencoder/manifest.json",
    output:
        f"{RESULTS}/latents.nc",
    log:
        f"{RESULTS}/logs/encode.log",
    benchmark:
        f"{RESULTS}/benchmarks/encode.tsv"
    threads: share(1)
    params:
        store=f"{RESULTS}/corpus.zarr",
    script:
        "../scripts/encode.py"


rule fnn:
    input:
        f"{RESULTS}/latents.nc",
    output:
        f"{RESULTS}/models/fnn/manifest.json",
        f"{RESULTS}/models/fnn/losses.csv",
    log:
        f"{RESULTS}/logs/fnn.log",
    benchmark:
        f"{RESULTS}/benchmarks/fnn.tsv"
    threads: share(2)
    params:
        section("fnn"),
    script:
        "../scripts/predictor.py"


rule lstm:
    input:
        f"{RESULTS}/latents.nc",
    output:
        f"{RESULTS}/models/lstm/manifest.json",
        f"{RESULTS}/models/lstm/losses.csv",
    log:
        f"{RESULTS}/logs/lstm.log",
    benchmark:
        f"{RESULTS}/benchmarks/lstm.tsv"
    threads: share(2)
    params:
        section("lstm"),
    script:
        "../scripts/predictor.py"


rule flow:
    input:
        f"{RESULTS}/latents.nc",
        mean=f"{RESULTS}/models/fnn/manifest.json",
    output:
        f"{RESULTS}/models/flow/manifest.json",
        f"{RESULTS}/models/flow/losses.csv",
    log:
        f"{RESULTS}/logs/flow.log",
    benchmark:
        f"{RESULTS}/benchmarks/flow.tsv"
    threads: share(2)
    params:
        section("flow"),
    script:
        "../scripts/flow.py"


rule predict:
    input:
        models_of,
        latents=f"{RESULTS}/latents.nc",
        corpus=f"{RESULTS}/corpus.json",
    output:
        f"{RESULTS}/predictions/{{method}}.nc",
    log:
        f"{RESULTS}/logs/predict_{{method}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predict_{{method}}.tsv"
    wildcard_constraints:
        method="|".join(NETWORKS),
    threads: share(2)
    params:
        store=f"{RESULTS}/corpus.zarr",
        models=f"{RESULTS}/models",
    script:
        "../scripts/predict.py"


rule baseline:
    input:
        f"{RESULTS}/corpus.json",
    output:
        f"{RESULTS}/predictions/{{method}}.nc",
    log:
        f"{RESULTS}/logs/baseline_{{method}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/baseline_{{method}}.tsv"
    wildcard_constraints:
        method="|".join(BASELINES) or "none",
    threads: share(2)
    params:
        modes=SETTINGS.evaluation.pod_modes,
        store=f"{RESULTS}/corpus.zarr",
    script:
        "../scripts/baseline.py"
