"""Comparison with GAIA: runs of another code on the same planet, from a table the user has.

The table holds five parameters and what the runs give after 4.5 Gyr (Agarwal et al. 2021, repository
agsiddhant/Inverse_Modelling_Mars_1D). Its heat fluxes are the temperature gradient at the wall times a constant
conductivity of 4 W/m/K; its mean temperatures a and b are lateral means at dimensionless radii 0.73 and 0.53.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from surrogate.fields import open_netcdf, parameters_of
from surrogate.minerals import olivine_conductivity
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters
from surrogate.planet import MARS, Planet
from surrogate.settings import EvolutionSettings, Physics
from surrogate.simulator.shards import run_path, run_shard

_PARAMETER_COLUMNS = (
    "reference_viscosity_Pa_s",
    "activation_energy_J_mol",
    "activation_volume_m3_mol",
    "crust_enrichment",
    "initial_temperature_K",
)
"""Columns of the table that hold the five parameters, in our order."""

GAIA_OBSERVABLES = {
    "surface_heat_flux": "surface_heat_flux_mW_m2",
    "core_mantle_boundary_heat_flux": "cmb_heat_flux_mW_m2",
    "mean_temperature_a": "mean_temperature_a_K",
    "mean_temperature_b": "mean_temperature_b_K",
}
"""Our name of an observable, and its column in the table; fluxes in mW/m2, temperatures in K."""

_TABLE_CONDUCTIVITY = 4.0
"""Conductivity with which the fluxes of the table were made, W/m/K."""

_MEAN_TEMPERATURE_RADII = {"mean_temperature_a": 0.73, "mean_temperature_b": 0.53}
"""Dimensionless radii of the two lateral means (inferred)."""

PROFILE_RADII = np.array([0.35, 0.44, 0.51, 0.56, 0.69, 0.80, 0.92, 1.04, 1.15])
"""Dimensionless radii of the published profiles."""

PROFILE_TIMES = (0.51, 2.05, 4.51)
"""Times of the published profiles, Gyr."""


@dataclass(frozen=True)
class ExampleRun:
    """A run whose evolution was published as an animation (arXiv:2108.10105; read off with about 16 K).

    Attributes
    ----------
    parameters : Parameters
    profiles : dict
        Lateral mean temperature, K, at :data:`PROFILE_RADII`, by time in Gyr.
    """

    parameters: Parameters
    profiles: dict[float, tuple[float, ...]]


_PUBLISHED = """
3.6353e21 155181 4.3563e-6 15.276 1633.9
    2218 2029 1936 1860 1787 1782 1782 1765 1587
    2219 2234 2234 2202 2135 1986 1959 1952 1618
    2234 2234 2234 2234 2195 2040 2009 1953 1541
5.0526e19 151305 7.5784e-6 30.675 1705.1
    2153 1997 1977 1948 1847 1809 1704 1671 1665
    2163 2128 2110 2056 1962 1871 1711 1700 1681
    2137 2110 2096 2041 1956 1857 1692 1684 1633
5.9002e20 150082 7.5381e-6 49.483 1724.9
    2202 2013 1914 1847 1815 1815 1812 1778 1587
    2202 2140 2105 2058 1969 1861 1741 1713 1561
    2179 2146 2111 2055 1965 1861 1717 1640 1337
1.6548e20 135898 9.4430e-6 29.244 1771.9
    2230 2073 1978 1943 1879 1875 1779 1743 1739
    2234 2202 2167 2105 2026 1886 1742 1730 1710
    2233 2178 2137 2079 2001 1866 1708 1702 1615
"""


def _published_examples() -> tuple[ExampleRun, ...]:
    """Read the lines above: five parameters, then one line of temperatures for each of PROFILE_TIMES."""
    rows = [tuple(map(float, line.split())) for line in _PUBLISHED.strip().splitlines()]
    block = 1 + len(PROFILE_TIMES)
    return tuple(
        ExampleRun(Parameters(*rows[first]), dict(zip(PROFILE_TIMES, rows[first + 1 : first + block], strict=True)))
        for first in range(0, len(rows), block)
    )


GAIA_EXAMPLES = _published_examples()
"""The four published examples."""


def gaia_settings(melting: Literal["none", "extracted"] = "none") -> EvolutionSettings:
    """Return the settings of the comparison: the defaults on a graded grid, with or without melt that leaves.

    Where the table has crust made from melt, its runs are colder than ours without melting.
    """
    return EvolutionSettings(radial_grading=3.0, physics=Physics(melting=melting))


def read_gaia_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the table of GAIA runs.

    Raises
    ------
    ValueError
        Naming the file and the columns that are missing or hold no numbers.
    """
    table = pd.read_csv(path)
    wanted = [*_PARAMETER_COLUMNS, *GAIA_OBSERVABLES.values()]
    missing = [name for name in wanted if name not in table]
    if missing:
        raise ValueError(
            f"{path}: columns {', '.join(missing)} are missing; found {', '.join(map(str, table.columns))}"
        )
    for name in wanted:
        numbers = pd.to_numeric(table[name], errors="coerce")
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise ValueError(f"{path}: column {name}, row {row}: expected a number, got {table[name].iloc[row]!r}")
    return table


def _dimensionless_radius(run: xr.Dataset, planet: Planet) -> np.ndarray:
    return np.asarray(run["radius"].values) / planet.mantle_thickness


def observables(run: xr.Dataset, settings: EvolutionSettings, planet: Planet = MARS) -> dict[str, float]:
    """Return what a run gives at its end, as the table has it.

    Parameters
    ----------
    run : xarray.Dataset
        A run of :func:`surrogate.simulator.simulate`.
    settings : EvolutionSettings
        Those of the run: they say which conductivity its fluxes have.
    planet : Planet

    Returns
    -------
    dict
        By the names of :data:`GAIA_OBSERVABLES`; mW/m2 and K.
    """
    last = run.isel(time=-1)
    found = {}
    for name, pressure, wall in (
        ("surface_heat_flux", 0.0, planet.surface_temperature),
        ("core_mantle_boundary_heat_flux", planet.pressure(planet.mantle_thickness), float(last["core_temperature"])),
    ):
        conductivity = planet.conductivity
        if settings.physics.conductivity == "olivine":
            conductivity = float(olivine_conductivity(wall, pressure))
        found[name] = 1e3 * float(last[name]) * _TABLE_CONDUCTIVITY / conductivity
    profile = last["temperature"].mean("angle").values
    for name, radius in _MEAN_TEMPERATURE_RADII.items():
        found[name] = float(np.interp(radius, _dimensionless_radius(run, planet), profile))
    return found


def summarise(pairs: pd.DataFrame) -> pd.DataFrame:
    """Bias, scatter and rank correlation of every observable.

    Parameters
    ----------
    pairs : pandas.DataFrame
        For every observable a column ``<name>_gaia`` and a column ``<name>_ours``.

    Returns
    -------
    pandas.DataFrame
        Columns observable, rows, gaia_mean, ours_mean, bias, bias_percent (of the GAIA mean), scatter (standard
        deviation of the difference) and rank_correlation (Spearman).

    Examples
    --------
    >>> columns = [f"{name}_{whose}" for name in GAIA_OBSERVABLES for whose in ("gaia", "ours")]
    >>> pairs = pd.DataFrame({column: [1.0, 2.0, 3.0] for column in columns})
    >>> float(summarise(pairs).rank_correlation.min())
    1.0
    """
    rows = []
    for name in GAIA_OBSERVABLES:
        theirs, ours = pairs[f"{name}_gaia"], pairs[f"{name}_ours"]
        difference = ours - theirs
        rows.append(
            {
                "observable": name,
                "rows": len(pairs),
                "gaia_mean": theirs.mean(),
                "ours_mean": ours.mean(),
                "bias": difference.mean(),
                "bias_percent": 100 * difference.mean() / abs(theirs.mean()),
                "scatter": difference.std(),
                "rank_correlation": theirs.corr(ours, method="spearman"),
            }
        )
    return pd.DataFrame(rows)


def compare_gaia(
    table: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    rows: int = 100,
    seed: int = 2108,
    settings: EvolutionSettings | None = None,
    planet: Planet = MARS,
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run a seeded sample of the table and compare.

    Parameters
    ----------
    table : path
        ``gaia_observables.csv``.
    folder : path
        Gets the runs; those that are there already are not made again.
    rows : int
        Size of the sample.
    seed : int
        Of the sample.
    settings : EvolutionSettings, optional
        Default: :func:`gaia_settings`. Only the state at the end is kept.
    planet : Planet
    workers : int
        Processes.
    progress : callable, optional
        Told one line per run.

    Returns
    -------
    pairs, summary : pandas.DataFrame
        One row per run (parameters, then each observable of GAIA and ours), and :func:`summarise` of it. Runs that
        failed or fell short are left out.
    """
    content = read_gaia_table(table)
    if not 0 < rows <= len(content):
        raise ValueError(f"rows: expected 1 .. {len(content)}, got {rows}")
    settings = (settings or gaia_settings()).model_copy(update={"snapshots": 2})
    sample = content.sample(rows, random_state=seed).sort_index()
    points = [Parameters(*map(float, values)) for values in sample[list(_PARAMETER_COLUMNS)].to_numpy()]
    runs = [(int(number), point) for number, point in zip(sample.index, points, strict=True)]
    status = run_shard(runs, settings, planet, seed, folder, workers, progress)
    pairs = []
    for number in status.simulation[status.status == "done"]:
        with open_netcdf(run_path(folder, number)) as run:
            ours = observables(run, settings, planet)
            entry = {"row": number, **parameters_of(run)}
        for name, column in GAIA_OBSERVABLES.items():
            entry[f"{name}_gaia"] = float(sample.loc[number, column])
            entry[f"{name}_ours"] = ours[name]
        pairs.append(entry)
    if not pairs:
        raise ValueError(f"none of the {rows} runs was completed: {'; '.join(sorted(set(status.reason)))}")
    result = pd.DataFrame(pairs)
    return result, summarise(result)


def compare_gaia_examples(
    folder: str | os.PathLike[str],
    seed: int = 2108,
    settings: EvolutionSettings | None = None,
    planet: Planet = MARS,
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Run the four published examples and compare their profiles.

    Parameters are those of :func:`compare_gaia`.

    Returns
    -------
    pandas.DataFrame
        Columns example, time (Gyr), radius (dimensionless), published, ours, difference (K), and the five parameters.
    """
    settings = (settings or gaia_settings()).model_copy(update={"snapshots": 91})
    runs = [(number, example.parameters) for number, example in enumerate(GAIA_EXAMPLES)]
    status = run_shard(runs, settings, planet, seed, Path(folder), workers, progress)
    entries = []
    for number in status.simulation[status.status == "done"]:
        example = GAIA_EXAMPLES[number]
        with open_netcdf(run_path(folder, number)) as run:
            mean = run["temperature"].mean("angle").astype(float)
            for time, published in example.profiles.items():
                # The published times lie up to 0.01 Gyr beyond the end of the evolution.
                profile = mean.interp(time=min(time, float(run.time[-1]))).values
                ours = np.interp(PROFILE_RADII, _dimensionless_radius(run, planet), profile)
                for radius, theirs, value in zip(PROFILE_RADII, published, ours, strict=True):
                    entries.append((number, time, radius, float(theirs), value, value - theirs))
    columns = ["example", "time", "radius", "published", "ours", "difference"]
    result = pd.DataFrame(entries, columns=columns)
    for name in EVOLUTION_PARAMETERS.names:
        result[name] = [getattr(GAIA_EXAMPLES[number].parameters, name) for number in result.example]
    return result
