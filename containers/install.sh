#!/bin/sh
# What both recipes run in Debian 12, with the files of this repository in /opt/surrogate.
#   EXTRAS   further extras of the package, comma-separated (slurm, gpu, jax, ...); only the core is locked
set -eu
cd /opt/surrogate
export DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

apt-get update -qq
apt-get install -qq --yes --no-install-recommends python3 python3-venv ca-certificates >/dev/null
rm -rf /var/lib/apt/lists/*

python3 -m venv /opt/venv
/opt/venv/bin/python -m pip install --quiet --require-hashes -r requirements.lock
/opt/venv/bin/python -m pip install --quiet --no-deps --no-build-isolation .
if [ -n "${EXTRAS:-}" ]; then
    case ",$EXTRAS," in
        # tensorflow and tensorflow-cpu own the same files
        *,gpu,*) /opt/venv/bin/python -m pip uninstall --quiet --yes tensorflow-cpu ;;
    esac
    /opt/venv/bin/python -m pip install --quiet ".[$EXTRAS]"
fi

# An image that does not work is not an image.
/opt/venv/bin/surrogate --help >/dev/null
/opt/venv/bin/snakemake --snakefile Snakefile --directory /tmp/check --dry-run --quiet all
rm -rf /tmp/check
