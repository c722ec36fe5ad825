"""From what is observed of a planet to its parameters: posterior, evidence, and the worth of every datum."""

from surrogate.inference.confirmation import confirm
from surrogate.inference.observations import (
    MARS,
    Observation,
    ObservationError,
    Observations,
    mars_text,
    read_observations,
)
from surrogate.inference.posterior import Check, Posterior, posterior
from surrogate.inference.reference import InferenceError

__all__ = [
    "MARS",
    "Check",
    "InferenceError",
    "Observation",
    "ObservationError",
    "Observations",
    "Posterior",
    "confirm",
    "mars_text",
    "posterior",
    "read_observations",
]
