"""ASPECT's parameter files, and what can be derived from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from surrogate.corpus.readers import ReaderError
from surrogate.planet import MARS
from surrogate.units import GAS_CONSTANT


def read_parameter_file(path: Path) -> dict[str, str]:
    """Read a ``.prm`` file.

    Returns
    -------
    dict
        Values as text by full name, e.g. ``"Geometry model/Spherical shell/Inner radius"``; empty if there is no
        such file.
    """
    if not path.is_file():
        return {}
    values: dict[str, str] = {}
    place: list[str] = []
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.split("#")[0].strip()
        if line.startswith("subsection "):
            place.append(line.removeprefix("subsection ").strip())
        elif line == "end":
            if not place:
                raise ReaderError(f"{path}: line {number}: 'end' without a subsection")
            place.pop()
        elif line.startswith("set ") and "=" in line:
            name, value = line.removeprefix("set ").split("=", 1)
            values["/".join([*place, name.strip()])] = value.strip()
    return values


def number_of(prm: Mapping[str, str], name: str, default: float) -> float:
    """Return a number of the file, or `default` where it has none."""
    try:
        return float(prm[name])
    except (KeyError, ValueError):
        return float(default)


def derived_parameters(prm: Mapping[str, str]) -> dict[str, float]:
    """Derive what the file says of the five parameters: those of diffusion creep and of radioactive decay.

    ASPECT's diffusion creep of stress exponent 1 is eta = exp((E + P V) / (R T)) / (2 A); the reference viscosity is
    its value at the planet's reference temperature and pressure. The crustal enrichment is the ratio of the
    concentrations in crust and mantle, if it is the same for all elements.

    Examples
    --------
    >>> flow = "Material model/Visco Plastic/"
    >>> found = derived_parameters({flow + "Prefactors for diffusion creep": "8.336e-15",
    ...     flow + "Activation energies for diffusion creep": "2e5",
    ...     flow + "Activation volumes for diffusion creep": "4e-6"})
    >>> sorted(found)
    ['activation_energy', 'activation_volume', 'reference_viscosity']
    """
    flow = "Material model/Visco Plastic/"
    names = ("Prefactors", "Activation energies", "Activation volumes")
    result = {}
    try:
        prefactor, energy, volume = (float(prm[f"{flow}{name} for diffusion creep"]) for name in names)
    except (KeyError, ValueError):
        pass
    else:
        result["activation_energy"], result["activation_volume"] = energy, volume
        if number_of(prm, flow + "Grain size exponents for diffusion creep", 0.0) == 0.0:
            pressure, temperature = MARS.rheology_reference_pressure, MARS.rheology_reference_temperature
            exponent = (energy + pressure * volume) / (GAS_CONSTANT * temperature)
            result["reference_viscosity"] = 0.5 / prefactor * math.exp(exponent)
    decay = "Heating model/Radioactive decay/Initial concentrations "
    try:
        crust, mantle = ([float(entry) for entry in prm[decay + part].split(",")] for part in ("crust", "mantle"))
        ratios = [upper / lower for upper, lower in zip(crust, mantle, strict=True)]
    except (KeyError, ValueError, ZeroDivisionError):
        return result
    if max(ratios) - min(ratios) < 1e-3 * max(ratios):
        result["crustal_enrichment"] = ratios[0]
    return result
