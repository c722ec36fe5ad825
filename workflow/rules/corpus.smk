# Parameters -> raw runs -> one store.
from surrogate.corpus import job_memory

if SETTINGS.source.kind == "simulate":
    NUMBER_OF_RUNS = SETTINGS.design.runs
else:
    # Relative to the working directory, sorted: the number of a run is its place in this list.
    import glob

    NUMBER_OF_RUNS = len(glob.glob(SETTINGS.source.files, recursive=True))
    if NUMBER_OF_RUNS == 0:
        raise WorkflowError(f"source.files: no file matches {SETTINGS.source.files!r}")

SHARDS = [
    f"{k:04d}" for k in range(-(-NUMBER_OF_RUNS // SETTINGS.resources.shard_size))
]

# What became of every simulation, or the list of existing files.
RUN_TABLES = (
    expand(f"{RESULTS}/shards/{{shard}}.csv", shard=SHARDS)
    if SETTINGS.source.kind == "simulate"
    else [f"{RESULTS}/source_files.csv"]
)

# One part: the job that makes the store also reads the runs. More: it finds them read by as many jobs before it.
PARTS = [
    f"{k:04d}" for k in range(-(-NUMBER_OF_RUNS // SETTINGS.resources.ingest_size))
]
if len(PARTS) == 1:
    PARTS = []


rule design:
    output:
        f"{RESULTS}/design.csv",
    log:
        f"{RESULTS}/logs/design.log",
    benchmark:
        f"{RESULTS}/benchmarks/design.tsv"
    params:
        section("design"),
        space=lambda wildcards: SETTINGS.make_space().as_dict(),
    script:
        "../scripts/design.py"


# One job makes many runs. A raw run is not a declared output: Snakemake would delete the finished runs of a shard
# that fails. Each is written under a temporary name and renamed, and carries the key of what it was made from.
# Runs that go side by side on a GPU (simulator.engine: jax) are another rule to a profile, which knows where GPUs are.
rule:
    name:
        "simulate_together" if SETTINGS.simulator.engine == "jax" else "simulate"
    input:
        f"{RESULTS}/design.csv",
    output:
        f"{RESULTS}/shards/{{shard}}.csv",
    log:
        f"{RESULTS}/logs/simulate_{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/simulate_{{shard}}.tsv"
    threads: 1
    params:
        section("design", "simulator", "planet"),
        shard_size=SETTINGS.resources.shard_size,
        folder=f"{RESULTS}/raw",
    script:
        "../scripts/simulate.py"


rule list_runs:
    output:
        f"{RESULTS}/source_files.csv",
    log:
        f"{RESULTS}/logs/list_runs.log",
    benchmark:
        f"{RESULTS}/benchmarks/list_runs.tsv"
    params:
        section("source"),
        number=NUMBER_OF_RUNS,
    script:
        "../scripts/list_runs.py"


# Metadata only: numbers, grid and times of the whole, which no part knows.
rule ingest_plan:
    input:
        tables=RUN_TABLES,
    output:
        temp(f"{RESULTS}/parts/plan.json"),
    log:
        f"{RESULTS}/logs/ingest_plan.log",
    benchmark:
        f"{RESULTS}/benchmarks/ingest_plan.tsv"
    threads: SETTINGS.resources.ingest_workers
    resources:
        mem_mb=job_memory(SETTINGS.resources.memory_limit),
    params:
        section("corpus", "planet"),
        reader=SETTINGS.source.reader,
        options=SETTINGS.source.options,
        parameters=named_parameters(),
        store=f"{RESULTS}/corpus.zarr",
    script:
        "../scripts/ingest_plan.py"


# Reads, checks, regrids and compresses every n-th run. What is finished stays when the job is killed.
rule ingest_part:
    input:
        f"{RESULTS}/parts/plan.json",
    output:
        temp(f"{RESULTS}/parts/{{part}}.json"),
    log:
        f"{RESULTS}/logs/ingest_part_{{part}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/ingest_part_{{part}}.tsv"
    wildcard_constraints:
        part=r"\d+",
    threads: SETTINGS.resources.ingest_workers
    resources:
        mem_mb=job_memory(SETTINGS.resources.memory_limit),
    params:
        store=f"{RESULTS}/corpus.zarr",
        parts=len(PARTS),
    script:
        "../scripts/ingest_part.py"


# The store is not a declared output either: it grows run by run and is continued after an interruption.
# corpus.json is written when it is whole.
rule ingest:
    input:
        tables=RUN_TABLES,
        parts=expand(f"{RESULTS}/parts/{{part}}.json", part=PARTS),
    output:
        summary=f"{RESULTS}/corpus.json",
        rejected=f"{RESULTS}/rejected.csv",
    log:
        f"{RESULTS}/logs/ingest.log",
    benchmark:
        f"{RESULTS}/benchmarks/ingest.tsv"
    threads: SETTINGS.resources.ingest_workers
    resources:
        mem_mb=job_memory(SETTINGS.resources.memory_limit),
    params:
        section("corpus", "planet"),
        reader=SETTINGS.source.reader,
        options=SETTINGS.source.options,
        parameters=named_parameters(),
        store=f"{RESULTS}/corpus.zarr",
    script:
        "../scripts/ingest.py"
