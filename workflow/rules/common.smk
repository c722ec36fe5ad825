# The configuration, checked once, and the names that several rules share.
from snakemake.exceptions import WorkflowError

from surrogate.config import ConfigError, parse as parse_config
from surrogate.files import fingerprint
from surrogate.figures.catalogue import CATALOGUE, file_names

try:
    SETTINGS = parse_config(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RESULTS = f"results/{SETTINGS.name}"
NETWORKS = ["autoencoder", "fnn", "lstm"]
MODEL_SECTIONS = ["autoencoder", "feedforward", "recurrent"]
BASELINES = list(SETTINGS.evaluation.baselines)


wildcard_constraints:
    shard=r"\d+",
    method="|".join(NETWORKS + BASELINES),


def section(*names):
    """Return the named sections of the configuration as plain data: what a rule depends on."""
    return {name: SETTINGS.model_dump(mode="json")[name] for name in names}


def share(parts):
    """Cores for one of `parts` jobs that run side by side."""
    return max(1, (workflow.cores or 1) // parts)
