# Better settings of a predictor: `snakemake --cores 2 search`; never part of `all`. What it finds goes into
# results/<name>/search/best.yaml, which `--configfile config/config.yaml results/<name>/search/best.yaml` takes up.


rule search:
    input:
        f"{RESULTS}/latents.nc",
    output:
        trials=f"{RESULTS}/search/trials.csv",
        best=f"{RESULTS}/search/best.yaml",
    log:
        f"{RESULTS}/logs/search.log",
    benchmark:
        f"{RESULTS}/benchmarks/search.tsv"
    threads: share(1)
    params:
        section("studies", SETTINGS.studies.search.predictor),
        # Not an output: Snakemake would remove what a stopped search goes on from.
        journal=f"{RESULTS}/search/journal.log",
    script:
        "../scripts/search.py"
