from _job import start

if __name__ == "__main__":
    start(snakemake)
    from pathlib import Path

    from surrogate.config import Config
    from surrogate.inference import posterior
    from surrogate.query import Surrogate

    settings = Config(**snakemake.params[0]).inference
    answer = posterior(
        Surrogate.load(Path(snakemake.input.bundle).parent),
        settings.observations,
        chosen=settings.chosen,
        method=settings.method,
        points=settings.points,
        seed=settings.seed,
        solver=settings.solver,
    )
    answer.write(snakemake.output[0])
