# The configuration, checked once, and the names that several rules share.
import os

from snakemake.exceptions import WorkflowError

from surrogate.config import ConfigError, parse as parse_config
from surrogate.files import fingerprint
from surrogate.figures import CATALOGUE, CURVES, LANDING, asked_for, file_names
from surrogate.methods import METHODS, methods

try:
    SETTINGS = parse_config(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RESULTS = f"results/{SETTINGS.name}"
NETWORKS = list(SETTINGS.networks)
PREDICTORS = [method.key for method in methods("mean", "sample")]
BASELINES = list(SETTINGS.evaluation.baselines)


wildcard_constraints:
    shard=r"\d+",
    method="|".join(NETWORKS + BASELINES),


def section(*names):
    """Return the named sections of the configuration as plain data: what a rule depends on."""
    return {name: SETTINGS.model_dump(mode="json")[name] for name in names}


def named_parameters():
    """What the configuration says of the parameters of existing runs, as plain data."""
    return {
        name: entry.model_dump(mode="json")
        for name, entry in SETTINGS.named_parameters.items()
    }


def share(parts):
    """Cores for one of `parts` jobs that run side by side; on a cluster, which has no total, the profile says."""
    return max(1, (workflow.resource_settings.cores or 1) // parts)


def manifest(key):
    """The file that is there when a network is trained."""
    return f"{RESULTS}/models/{key}/manifest.json"


def manifests(key):
    """Of a network and of all that it builds on."""
    return [
        *(path for need in METHODS[key].needs for path in manifests(need)),
        manifest(key),
    ]


def figure_files():
    return [f"{RESULTS}/figures/{name}" for name in file_names(SETTINGS)]


def landing_pictures():
    """The figures that the report opens on, in a format that a page shows, if there is one."""
    shown = [suffix for suffix in SETTINGS.figures.formats if suffix != "pdf"][:1]
    return [
        f"{RESULTS}/figures/{name}.{suffix}" for name in LANDING for suffix in shown
    ]


def figure_needs(entry):
    """What a figure is made from: the corpus, predictions and tables that its catalogue entry names."""
    return {
        "corpus": f"{RESULTS}/corpus.json",
        "predictions": [
            f"{RESULTS}/predictions/{method}.nc" for method in entry.predictions
        ],
        "tables": [
            (
                f"{RESULTS}/{table}/points.csv"
                if table in CURVES
                else f"{RESULTS}/models/{table}/losses.csv"
            )
            for table in entry.tables
        ],
        "posterior": [f"{RESULTS}/posterior.nc"] if entry.posterior else [],
    }
