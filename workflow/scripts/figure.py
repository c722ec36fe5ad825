from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    from surrogate.config import Config
    from surrogate.figures import make_figure

    config = Config(**snakemake.params[0])
    make_figure(
        snakemake.params.figure + snakemake.wildcards.example,
        {
            "corpus": snakemake.params.store,
            "predictions": {Path(path).stem: path for path in snakemake.input.get("predictions", [])},
            "tables": {Path(path).parent.name: path for path in snakemake.input.get("tables", [])},
            **({"posterior": snakemake.input.posterior[0]} if snakemake.input.get("posterior") else {}),
        },
        config.figures,
        list(snakemake.output),
        config.make_planet(),
        snakemake.params.conductivity,
    )
