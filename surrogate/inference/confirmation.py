"""The last word: simulations with parameters that fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from surrogate.inference.observations import Observation
from surrogate.inference.posterior import Posterior
from surrogate.inference.reference import InferenceError
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters
from surrogate.quantities import VARIABLES
from surrogate.settings import EvolutionSettings, Physics

SPACING = 0.1
"""Gyr between the snapshots of a simulation; observations lie between, linear in time."""

ERRORS = 2.0
"""Standard errors of a measured value within which a simulation meets it."""


def bundle_settings(answer: Posterior) -> EvolutionSettings:
    """Return settings of the simulator that are those of the bundle as far as it knows them: grid and laws."""
    surrogate = answer.surrogate
    rows, columns = surrogate.geometry.shape
    known = {"conductivity": surrogate.conductivity, "crust_heating": surrogate.bundle.crust_heating}
    physics = Physics(**{name: law for name, law in known.items() if law != "unknown"})
    width = round(float(np.degrees(surrogate.geometry.width)), 6)
    return EvolutionSettings(
        geometry=surrogate.geometry.kind,
        radial_cells=rows - 2,
        angular_cells=columns,
        sector_degrees=width,
        physics=physics,
    )


def confirm(
    answer: Posterior,
    count: int = 8,
    settings: EvolutionSettings | None = None,
    progress: Callable[[str, float, float], None] | None = None,
) -> pd.DataFrame:
    """Simulate draws of a posterior and say which of them meet the observations.

    Parameters
    ----------
    answer : Posterior
    count : int
    settings : EvolutionSettings, optional
        Of the corpus. Default: grid and laws of the bundle, else those of the default configuration.
    progress : callable, optional
        Told "simulations", how many are done, and how many there are.

    Returns
    -------
    pandas.DataFrame
        A row for each draw: its parameters, what the simulation gives for each observation, in columns of its name, and
        ``met``: the names of the observations that it meets, in ``meets_all`` whether these are all. An interval is met
        within its structural error, a value within two standard errors.

    Raises
    ------
    InferenceError
        If the corpus is not one of thermal evolutions, which this package simulates.
    """
    from surrogate.simulator import SimulationError, simulate

    surrogate = answer.surrogate
    if answer.space.names != EVOLUTION_PARAMETERS.names:
        raise InferenceError(f"confirm: no simulator for the parameters {', '.join(answer.space.names)}")
    end = max([entry.time for entry in answer.observations], default=surrogate.time_range[1])
    settings = (settings or bundle_settings(answer)).model_copy(
        update={"end_time": end, "snapshots": max(2, round(end / SPACING) + 1)}
    )
    observables, table = surrogate.observables(), answer.draws(count)
    found: list[dict[str, object]] = []
    for number, values in enumerate(table.to_numpy()):
        row: dict[str, object] = {"reason": ""}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # corners of the trained box may lie outside the reference ranges
                run = simulate(Parameters.from_array(values, answer.space), settings, surrogate.planet)
        except SimulationError as error:
            row["reason"] = str(error)
        else:
            seen = observables.read(run["temperature"].values, values, run["time"].values)
            for entry in answer.observations:
                if entry.quantity in VARIABLES:
                    row[entry.name] = float(np.interp(entry.time, run["time"].values, seen[entry.quantity]))
                else:
                    row[entry.name] = float(values[answer.space.names.index(entry.quantity)])
        met = [entry.name for entry in answer.observations if _meets(entry, row.get(entry.name))]
        found.append({**row, "met": ", ".join(met), "meets_all": len(met) == len(answer.observations)})
        if progress is not None:
            progress("simulations", number + 1, count)
    return pd.concat([table, pd.DataFrame(found)], axis=1)


def _meets(entry: Observation, value: object) -> bool:
    if not isinstance(value, float):
        return False
    slack = float(entry.structural_error or 0.0) * abs(value)
    if entry.value is not None:
        return bool(abs(value - entry.value) <= ERRORS * np.hypot(slack, entry.error))
    low, high = entry.interval
    return bool(low - slack <= value <= high + slack)
