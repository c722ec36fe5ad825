from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    from surrogate.config import Config
    from surrogate.corpus import open_corpus
    from surrogate.diagnostics import evaluate
    from surrogate.fields import open_netcdf, select_split
    from surrogate.files import atomic, provenance, read_json, write_json
    from surrogate.report import metrics_table, set_beside, summary_page

    config = Config(**snakemake.params[0])
    truth = select_split(open_corpus(snakemake.params.store), "test")
    predictions = {Path(path).stem: open_netcdf(path) for path in snakemake.input.predictions}
    metrics = evaluate(
        truth,
        predictions,
        config.make_planet(),
        config.evaluation,
        conductivity=snakemake.params.conductivity,
        crust_heating=snakemake.params.crust_heating,
    )
    beside = {title: (path, read_json(path)) for title, path in config.evaluation.beside.items()}
    metrics = set_beside(metrics, beside)
    metrics["provenance"] = provenance(corpus=read_json(snakemake.input.corpus))
    write_json(snakemake.output.json, metrics)
    table = metrics_table(metrics)
    with atomic(snakemake.output.markdown) as temporary:
        temporary.write_text(table + "\n", encoding="utf-8")
    with atomic(snakemake.output.page) as temporary:
        temporary.write_text(summary_page(metrics, snakemake.params.name), encoding="utf-8")
    print(table)
