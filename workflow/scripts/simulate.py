import os
import sys
from pathlib import Path

from _job import start


def compile_first(settings):
    """Make sure that no run is computed by the process that compiled its code.

    Code that was just compiled and the same code from Numba's cache on disk round differently (inlined otherwise), and
    convection is chaotic: a run would depend on whether it was the first on its machine.
    """
    import gc

    from numba.core.dispatcher import Dispatcher

    from surrogate.parameters import Parameters
    from surrogate.simulator import simulate

    small = {"radial_cells": 12, "angular_cells": 16, "snapshots": 2, "end_time": 0.1, "maximum_steps": 100}
    simulate(Parameters(1e22, 3e5, 6e-6, 10.0, 1700.0), settings.model_copy(update=small))
    functions = [entry for entry in gc.get_objects() if isinstance(entry, Dispatcher)]
    missing = sum(sum(function.stats.cache_misses.values()) for function in functions)
    if missing and "SURROGATE_COMPILED" not in os.environ:
        print(f"compiled {missing} functions; starting again with the compiled code", flush=True)
        os.environ["SURROGATE_COMPILED"] = "yes"  # once: there may be no cache to write to
        for stream in (1, 2):
            os.dup2(sys.stderr.terminal.fileno(), stream)  # as they were before start()
        os.execv(sys.executable, [sys.executable, *sys.argv])


if __name__ == "__main__":
    start(snakemake)
    from surrogate.config import Config
    from surrogate.corpus.design import read_design
    from surrogate.files import atomic
    from surrogate.parameters import Parameters
    from surrogate.simulator import run_shard

    config = Config(**snakemake.params[0])
    if config.simulator.engine == "numba":
        compile_first(config.simulator)
    size = snakemake.params.shard_size
    first = int(snakemake.wildcards.shard) * size
    design = read_design(snakemake.input[0]).iloc[first : first + size]
    runs = [(int(number), Parameters.create(row.to_dict())) for number, row in design.iterrows()]
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
