import sys
from pathlib import Path

from _job import start

if __name__ == "__main__":
    start(snakemake)
    from surrogate.config import Config
    from surrogate.corpus import parameters_of_run, read_design
    from surrogate.files import atomic
    from surrogate.simulator import compile_kernels, run_shard

    config = Config(**snakemake.params[0])
    compiled = compile_kernels(config.simulator)
    if compiled:
        print(f"compiled {compiled} functions", flush=True)
    size = snakemake.params.shard_size
    first = int(snakemake.wildcards.shard) * size
    design = read_design(snakemake.input[0]).iloc[first : first + size]
    runs = [(int(number), parameters_of_run(design, int(number))) for number in design.index]
    statuses = run_shard(
        runs,
        config.simulator,
        config.make_planet(),
        config.design.seed,
        snakemake.params.folder,
        workers=snakemake.threads,
        progress=print,
    )
    statuses["file"] = [str(Path(snakemake.params.folder) / name) for name in statuses.file]
    with atomic(snakemake.output[0]) as temporary:
        statuses.to_csv(temporary, index=False)
    if (statuses.status == "failed").all():
        sys.exit("every run of this shard failed; the reasons are above")
