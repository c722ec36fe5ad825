"""Properties of mantle minerals: conductivity and expansivity of olivine, solidus of peridotite."""

from __future__ import annotations

from typing import Any

import numpy as np


def olivine_conductivity(temperature: Any, pressure: Any) -> Any:
    """Thermal conductivity of olivine, W/m/K (Tosi et al. 2013).

    Parameters
    ----------
    temperature : float or array, K
    pressure : float or array, Pa

    Examples
    --------
    >>> olivine_conductivity(300.0, 0.0)
    2.47
    """
    return (2.47 + 0.33e-9 * pressure) * (300.0 / temperature) ** 0.48


def olivine_expansivity(temperature: Any, pressure: Any) -> Any:
    """Thermal expansivity of olivine, 1/K (Tosi et al. 2013).

    Parameters
    ----------
    temperature : float or array, K
    pressure : float or array, Pa

    Examples
    --------
    >>> bool(2.5e-5 < olivine_expansivity(1600.0, 3e9) < 4.5e-5)
    True
    """
    return (3.15e-5 + 1.02e-8 * temperature - 0.76 / temperature**2) * np.exp(-3.63e-11 * pressure)


def peridotite_solidus(pressure: Any) -> Any:
    """Temperature at which peridotite begins to melt, K (Takahashi 1990, as in Breuer and Spohn 2006).

    Parameters
    ----------
    pressure : float or array, Pa
        Up to about 15 GPa.

    Examples
    --------
    >>> [round(float(peridotite_solidus(pressure))) for pressure in (0.0, 3e9, 8e9)]
    [1409, 1755, 2115]
    """
    gigapascal = 1e-9 * np.asarray(pressure, dtype=float)
    return 1409.0 + 134.2 * gigapascal - 6.581 * gigapascal**2 + 0.1054 * gigapascal**3
