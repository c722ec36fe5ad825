"""Every method that gives temperatures of a run: the trained networks and the baselines, one record each.

Whatever treats methods alike loops over :data:`METHODS`: configuration, workflow, measures, figures, bundle, query and
explorer. A new predictor is a class (see :class:`surrogate.learning.predictor.LatentPredictor`) and a record, which
:func:`register` adds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from pydantic import TypeAdapter

from surrogate.settings import AutoencoderSettings, FlowSettings, FnnSettings, LstmSettings


@dataclass(frozen=True)
class Method:
    """What is known of a method without loading it.

    Attributes
    ----------
    key : str
        Names the method everywhere: in results, as section of the configuration, as rule, as folder of its model.
    title : str
        In tables and figures.
    description : str
        In a sentence; comment of the section of the configuration.
    kind : {"autoencoder", "mean", "sample", "baseline"}
        What it gives: what the autoencoder keeps of the true field; the mean over all evolutions that the parameters
        allow; one of these evolutions; a trivial prediction that any network must beat.
    colour : str
        In figures; the built-in ones are told apart by colour-blind readers too (Okabe & Ito).
    implementation : str or type
        Its class, or ``"module:Class"``, which is imported when first used.
    settings : type, optional
        Model of its section of the configuration (:mod:`surrogate.settings`); None for a baseline.
    dashed : bool
        Whether its lines are.
    needs : tuple of str
        Methods whose trained models its class wants in ``train`` and ``load``.
    curves : bool
        Whether learning curve and search train it once more.
    """

    key: str
    title: str
    description: str
    kind: Literal["autoencoder", "mean", "sample", "baseline"]
    colour: str
    implementation: str | type
    settings: Any = None
    dashed: bool = False
    needs: tuple[str, ...] = ()
    curves: bool = False

    @property
    def trained(self) -> bool:
        """Whether it is a network with a section, a rule and a folder."""
        return self.settings is not None

    @property
    def predictor(self) -> bool:
        """Whether it is a network that predicts latents."""
        return self.kind in ("mean", "sample")

    def make_settings(self, content: Mapping[str, Any]) -> Any:
        """Validate its section of a configuration, a mapping of what is not default."""
        return TypeAdapter(self.settings).validate_python(content)

    def load_class(self) -> Any:
        """Import its class."""
        if not isinstance(self.implementation, str):
            return self.implementation
        module, _, name = self.implementation.partition(":")
        return getattr(import_module(module), name)


METHODS: dict[str, Method] = {}
"""All methods by key, in the order of tables and figures."""


def register(method: Method) -> Method:
    """Add a method.

    Raises
    ------
    ValueError
        If its key is taken or is no identifier, or if it needs a method that is not there.
    """
    if method.key in METHODS or not method.key.isidentifier():
        raise ValueError(f"method {method.key!r}: expected a new identifier beside {', '.join(METHODS)}")
    unknown = [key for key in method.needs if key not in METHODS]
    if unknown:
        raise ValueError(f"method {method.key!r} needs {', '.join(unknown)}; there are {', '.join(METHODS)}")
    METHODS[method.key] = method
    return method


def methods(*kinds: str) -> Iterator[Method]:
    """Yield the methods of these kinds, in order.

    >>> [method.key for method in methods("mean", "sample")]
    ['fnn', 'lstm', 'flow']
    """
    return (method for method in METHODS.values() if method.kind in kinds)


def title_of(key: str) -> str:
    """How predictions of a method are called in tables and figures; a key that is not known is shown in words."""
    if key not in METHODS:
        return key.replace("_", " ")
    return METHODS[key].title + (" (one sample)" if METHODS[key].kind == "sample" else "")


for _method in (
    Method(
        "autoencoder",
        "autoencoder",
        "Snapshots to latents.",
        "autoencoder",
        "#009E73",
        "surrogate.learning.autoencoder:Autoencoder",
        AutoencoderSettings,
    ),
    Method(
        "fnn",
        "FNN",
        "FNN in the latent space: parameters and time to latents.",
        "mean",
        "#0072B2",
        "surrogate.learning.fnn:FnnPredictor",
        FnnSettings,
        curves=True,
    ),
    Method(
        "lstm",
        "LSTM",
        "LSTM in the latent space: parameters and past latents to the next latents.",
        "mean",
        "#D55E00",
        "surrogate.learning.lstm:LstmPredictor",
        LstmSettings,
        dashed=True,
        curves=True,
    ),
    Method(
        "flow",
        "flow",
        "Flow in the latent space: samples around the FNN's mean.",
        "sample",
        "#56B4E9",
        "surrogate.learning.flow:FlowPredictor",
        FlowSettings,
        needs=("fnn",),
    ),
    Method(
        "mean_profile",
        "mean profile",
        "The mean profile of the training runs at that time.",
        "baseline",
        "#888888",
        "surrogate.learning.baselines:MeanProfile",
    ),
    Method(
        "nearest_run",
        "nearest run",
        "The training run that is nearest in parameter space.",
        "baseline",
        "#CC79A7",
        "surrogate.learning.baselines:NearestRun",
    ),
    Method(
        "pod_gaussian_process",
        "POD + Gaussian process",
        "POD coefficients by Gaussian-process regression.",
        "baseline",
        "#E69F00",
        "surrogate.learning.baselines:PodGaussianProcess",
    ),
):
    register(_method)
