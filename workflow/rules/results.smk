# Predictions -> measures, figures, and the bundle that a user loads.


rule evaluate:
    input:
        predictions=expand(
            f"{RESULTS}/predictions/{{method}}.nc", method=NETWORKS + BASELINES
        ),
        corpus=f"{RESULTS}/corpus.json",
        beside=list(SETTINGS.evaluation.beside.values()),
    output:
        json=f"{RESULTS}/metrics.json",
        markdown=f"{RESULTS}/metrics.md",
        page=report(
            f"{RESULTS}/summary.html",
            caption="../report/metrics.rst",
            category="Measures",
            labels={"content": "conclusions and table of measures"},
        ),
    log:
        f"{RESULTS}/logs/evaluate.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate.tsv"
    threads: share(1)
    params:
        section("evaluation", "planet"),
        conductivity=SETTINGS.conductivity,
        crust_heating=SETTINGS.crust_heating,
        store=f"{RESULTS}/corpus.zarr",
        name=SETTINGS.name,
    script:
        "../scripts/evaluate.py"


# The numbers that the report tells on its first page and under each figure: its captions include these files.
rule captions:
    input:
        metrics=f"{RESULTS}/metrics.json",
        pictures=landing_pictures(),
        tables=lambda wildcards: [
            path
            for name in ["losses", *asked_for(SETTINGS)]
            for path in figure_needs(CATALOGUE[name])["tables"]
        ],
        posterior=(f"{RESULTS}/posterior.nc" if SETTINGS.inference.observations else []),
    output:
        directory(f"{RESULTS}/captions"),
    log:
        f"{RESULTS}/logs/captions.log",
    benchmark:
        f"{RESULTS}/benchmarks/captions.tsv"
    threads: 1
    params:
        SETTINGS.model_dump(
            mode="json",
            include={
                "figures": {"examples", "example_times"},
                "studies": set(CURVES),
                "inference": True,
            },
        ),
        name=SETTINGS.name,
    script:
        "../scripts/captions.py"


rule bundle:
    input:
        models=[manifest(key) for key in NETWORKS],
        metrics=f"{RESULTS}/metrics.json",
        corpus=f"{RESULTS}/corpus.json",
        latents=f"{RESULTS}/latents.nc",
    output:
        f"{RESULTS}/surrogate/bundle.json",
    log:
        f"{RESULTS}/logs/bundle.log",
    benchmark:
        f"{RESULTS}/benchmarks/bundle.tsv"
    threads: share(2)
    params:
        section("planet"),
        conductivity=SETTINGS.conductivity,
        crust_heating=SETTINGS.crust_heating,
        store=f"{RESULTS}/corpus.zarr",
        models=lambda wildcards, input: os.path.dirname(
            os.path.dirname(input.models[0])
        ),
        name=SETTINGS.name,
        configuration=fingerprint(
            section("design", "source", "simulator", "corpus", "planet", *NETWORKS)
        ),
    script:
        "../scripts/bundle.py"


# The parameters that fit the observations (inference: observations; none by default).
rule posterior:
    input:
        bundle=f"{RESULTS}/surrogate/bundle.json",
        observations=(
            []
            if SETTINGS.inference.observations in ("", "mars")
            else SETTINGS.inference.observations
        ),
    output:
        f"{RESULTS}/posterior.nc",
    log:
        f"{RESULTS}/logs/posterior.log",
    benchmark:
        f"{RESULTS}/benchmarks/posterior.tsv"
    threads: share(1)
    params:
        section("inference"),
    script:
        "../scripts/posterior.py"


# One rule per entry of the catalogue: the caption of a report cannot depend on a wildcard. One job draws a figure and
# writes it in every format; the report shows the first.
for NAME, ENTRY in CATALOGUE.items():
    FILES = [
        f"{RESULTS}/figures/{NAME}{{example}}.{suffix}"
        for suffix in ENTRY.formats(SETTINGS.figures)
    ]

    rule:
        name:
            f"figure_{NAME}"
        input:
            **figure_needs(ENTRY),
        output:
            report(
                FILES[0],
                caption=f"../report/{NAME}.rst",
                category=ENTRY.category,
                labels={
                    "figure": NAME.replace("_", " "),
                    "example": "{example}",
                },
            ),
            FILES[1:],
        log:
            f"{RESULTS}/logs/figure_{NAME}{{example}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/figure_{NAME}{{example}}.tsv"
        wildcard_constraints:
            example=ENTRY.suffix or "(?:)",
        threads: 1
        params:
            section("figures", "planet"),
            figure=NAME,
            captions=f"{RESULTS}/captions",
            conductivity=SETTINGS.conductivity,
            store=f"{RESULTS}/corpus.zarr",
        script:
            "../scripts/figure.py"


# One training per network and share of the training runs (studies: learning_curve; none by default); the whole share is
# the run's own.
rule learning_curve_point:
    input:
        lambda wildcards: (
            manifest(wildcards.method) if float(wildcards.share) == 1.0 else []
        ),
        latents=f"{RESULTS}/latents.nc",
        autoencoder=f"{RESULTS}/models/autoencoder/manifest.json",
    output:
        f"{RESULTS}/learning_curve/{{method}}_{{share}}.csv",
    log:
        f"{RESULTS}/logs/learning_curve_{{method}}_{{share}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/learning_curve_{{method}}_{{share}}.tsv"
    wildcard_constraints:
        method="|".join(PREDICTORS),
    threads: share(2)
    params:
        lambda wildcards: section(wildcards.method),
        store=f"{RESULTS}/corpus.zarr",
        seed=SETTINGS.corpus.split_seed,
    script:
        "../scripts/learning_curve_point.py"


rule learning_curve:
    input:
        expand(
            f"{RESULTS}/learning_curve/{{method}}_{{share}}.csv",
            method=[key for key in PREDICTORS if METHODS[key].curves],
            share=SETTINGS.studies.learning_curve,
        ),
    output:
        f"{RESULTS}/learning_curve/points.csv",
    log:
        f"{RESULTS}/logs/learning_curve.log",
    benchmark:
        f"{RESULTS}/benchmarks/learning_curve.tsv"
    threads: 1
    script:
        "../scripts/learning_curve.py"


# Autoencoder and FNN trained once more per compression (studies: compression_curve; none by default). The folders of
# the networks are not declared outputs: what is finished there outlives an interruption.
rule compression_point:
    input:
        corpus=f"{RESULTS}/corpus.json",
        models=[manifest(key) for key in ["autoencoder", "fnn"]],
    output:
        f"{RESULTS}/compression/{{compression}}/point.csv",
    log:
        f"{RESULTS}/logs/compression_point_{{compression}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compression_point_{{compression}}.tsv"
    wildcard_constraints:
        compression=r"[\d.]+",
    threads: share(2)
    params:
        section("autoencoder", "fnn"),
        epochs=SETTINGS.studies.compression_epochs,
        store=f"{RESULTS}/corpus.zarr",
        models=lambda wildcards, input: os.path.dirname(
            os.path.dirname(input.models[0])
        ),
    script:
        "../scripts/compression_point.py"


rule compression_curve:
    input:
        points=expand(
            f"{RESULTS}/compression/{{compression}}/point.csv",
            compression=[f"{value:g}" for value in SETTINGS.studies.compression_curve],
        ),
        beside=list(SETTINGS.studies.compression_beside.values()),
    output:
        f"{RESULTS}/compression_curve/points.csv",
    log:
        f"{RESULTS}/logs/compression_curve.log",
    benchmark:
        f"{RESULTS}/benchmarks/compression_curve.tsv"
    threads: 1
    params:
        titles=list(SETTINGS.studies.compression_beside),
    script:
        "../scripts/compression_curve.py"
