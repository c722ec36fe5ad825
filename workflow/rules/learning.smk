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


# One rule per predictor, by its name.
for KEY in PREDICTORS:

    rule:
        name:
            KEY
        input:
            *[manifest(need) for need in METHODS[KEY].needs],
            latents=f"{RESULTS}/latents.nc",
        output:
            manifest(KEY),
            f"{RESULTS}/models/{KEY}/losses.csv",
        log:
            f"{RESULTS}/logs/{KEY}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{KEY}.tsv"
        threads: share(2)
        params:
            section(KEY),
        script:
            "../scripts/predictor.py"


rule predict:
    input:
        manifest("autoencoder"),
        lambda wildcards: (
            [] if wildcards.method == "autoencoder" else manifests(wildcards.method)
        ),
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
        models=lambda wildcards, input: os.path.dirname(os.path.dirname(input[0])),
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
