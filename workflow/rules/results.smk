# Predictions -> measures, figures, and the bundle that a user loads.


rule evaluate:
    input:
        predictions=expand(f"{RESULTS}/predictions/{{method}}.nc", method=NETWORKS + BASELINES),
        corpus=f"{RESULTS}/corpus.json",
    output:
        json=f"{RESULTS}/metrics.json",
        markdown=report(
            f"{RESULTS}/metrics.md",
            caption="../report/metrics.rst",
            category="Measures",
            labels={"content": "table of measures"},
        ),
    log:
        f"{RESULTS}/logs/evaluate.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate.tsv"
    params:
        section("evaluation", "planet"),
        conductivity=SETTINGS.simulator.physics.conductivity,
        store=f"{RESULTS}/corpus.zarr",
    threads: share(1)
    resources:
        mem_mb=6000,
        runtime=60,
    script:
        "../scripts/evaluate.py"


rule bundle:
    input:
        models=expand(f"{RESULTS}/models/{{model}}/manifest.json", model=["autoencoder", "feedforward", "recurrent"]),
        metrics=f"{RESULTS}/metrics.json",
        corpus=f"{RESULTS}/corpus.json",
        latents=f"{RESULTS}/latents.nc",
    output:
        f"{RESULTS}/surrogate/bundle.json",
    log:
        f"{RESULTS}/logs/bundle.log",
    benchmark:
        f"{RESULTS}/benchmarks/bundle.tsv"
    params:
        section("planet"),
        conductivity=SETTINGS.simulator.physics.conductivity,
        store=f"{RESULTS}/corpus.zarr",
        models=f"{RESULTS}/models",
        configuration=SETTINGS.fingerprint(),
    threads: share(2)
    resources:
        mem_mb=4000,
        runtime=30,
    script:
        "../scripts/bundle.py"
