# Everything a fresh machine needs is Python (3.11 or newer), pip and make.
#   make run    set up, then run the pipeline on the embedded default        (config/config.yaml)
#   make test   set up, then pass the tests
PYTHON  ?= python3
VENV    ?= .venv
CORES   ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
CONFIG  ?= config/config.yaml
EXTRAS  ?=

BIN     := $(VENV)/bin
# Quoted, for names with spaces; a leading ~ is the home folder.
FILE     = "$(patsubst ~/%,$(HOME)/%,$(CONFIG))"
STAMP   := $(VENV)/.surrogate-installed
# Quiet TensorFlow, and no duel of thread pools between processes that use all cores together.
export TF_CPP_MIN_LOG_LEVEL := 2

.PHONY: run test test-slow test-slurm lint format schema benchmarks gpu-check docs demo lock setup clean help

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make setup        install the locked packages and this one into .venv (EXTRAS=gpu|jax|slurm|explore,... adds more)
setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'surrogate needs Python 3.11 or newer')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
ifneq ($(EXTRAS),)
ifneq ($(findstring gpu,$(EXTRAS)),)
	$(BIN)/python -m pip uninstall --quiet --yes tensorflow-cpu
endif
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[$(EXTRAS)]"
endif
	touch $@

## make run          the whole pipeline; results/<name>/ holds everything (CONFIG=..., CORES=...)
run: $(STAMP)
	$(BIN)/snakemake --cores $(CORES) --configfile $(FILE)
	@results=results/$$($(BIN)/python -c "import sys, surrogate; print(surrogate.load_config(sys.argv[1]).name)" $(FILE)); \
	if [ ! -f $$results/report.html ] || \
	   [ -n "$$(find $$results/figures $$results/metrics.md -newer $$results/report.html)" ]; then \
	    $(BIN)/snakemake --cores $(CORES) --configfile $(FILE) --report $$results/report.html && \
	    cat $$results/metrics.md || exit 1; \
	fi; \
	echo "Done: $$results (report: $$results/report.html)"

## make test         lint, the site of the documentation, and all tests but the slow ones
test: $(STAMP) lint docs
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile

## make test-slow    the long checks: published benchmarks at full resolution, the interrupted runs
test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

## make test-slurm   the Slurm profile, and what happens when something fails, on a cluster of one node that the test
##                   installs and starts (Debian or Ubuntu, root; ten minutes and more)
test-slurm: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[slurm]"
	$(BIN)/python -m pytest -m slurm tests/test_slurm_cluster.py

## make lint         ruff, mypy, import-linter, snakefmt, snakemake --lint
lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/python workflow/lint.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

## make schema       write the default config and the JSON schema again from surrogate/config.py
schema: $(STAMP)
	$(BIN)/python -m surrogate.config

## make benchmarks   measure speed (ratios in one run); never part of the tests
benchmarks: $(STAMP)
	$(BIN)/python -m pytest benchmarks -o python_files="bench_*.py" -m "" --benchmark-only
	$(BIN)/python benchmarks/bench_equal_error.py

## make gpu-check    what a GPU is worth here, in at most eight minutes (EXTRAS=jax; without a GPU it measures the CPU)
gpu-check: $(STAMP)
	KERAS_BACKEND=jax $(BIN)/python benchmarks/gpu_check.py

## make docs         the site of the documentation in docs/_build/html; a warning is an error (the tests run its examples)
docs: $(STAMP)
	rm -rf docs/reference/generated
	$(BIN)/python -m sphinx -q -W --keep-going docs docs/_build/html

## make demo         the bundle of the finished default run, rounded, becomes the one that ships with the package
demo: $(STAMP)
	$(BIN)/surrogate pack results/default/surrogate surrogate/data/demo.zip --bits 7 --name demo

## make lock         resolve the newest packages again; no host name enters the lock file
lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra test --extra lint --extra docs --universal --python-version 3.11 \
	    --no-emit-index-url --no-header --generate-hashes --quiet -o requirements.lock

clean:
	rm -rf $(VENV) .snakemake
