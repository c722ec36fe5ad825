"""ASPECT's parameter files, and what can be derived from them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from surrogate.corpus.readers import ReaderError
from surrogate.corpus.readers.tables import read_text
from surrogate.planet import MARS
from surrogate.units import GAS_CONSTANT, UnitError, read_quantity

YEARS = ("Use years instead of seconds", "Use years in output instead of seconds")
"""What the switch of the time unit is called, since August 2025 and before."""

_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class ParameterFile:
    """A ``.prm`` file.

    Attributes
    ----------
    path : Path
    values : dict
        Text by full name, e.g. ``"Geometry model/Spherical shell/Inner radius"``; empty if there is no such file.
    """

    path: Path
    values: dict[str, str]

    def switch(self, *names: str) -> bool | None:
        """Return a truth value that goes by one of several names, None if the file has none of them.

        Raises
        ------
        ReaderError
            If it is neither true nor false, or the names contradict each other.
        """
        given = {name: self.values[name] for name in names if name in self.values}
        found = {_SWITCH.get(text.lower()) for text in given.values()}
        if None in found or len(found) > 1:
            raise ReaderError(f"{self.path}: expected true or false, the same for every name, got {given}")
        return found.pop() if found else None

    def numbers(self, name: str, unit: str) -> list[float] | None:
        """Return the numbers of a list in `unit`, None where the file has none, or names of fields in front of them.

        One number for all fields, ``background: 3e5`` or ``all: 3e5``, is a number.

        Raises
        ------
        ReaderError
            Naming the file and the entry, if it is something else than numbers.
        """
        text = self.values.get(name)
        if text is None:
            return None
        entries = [re.sub(r"^(?:background|all)\s*:", "", entry.strip()) for entry in text.split(",")]
        if any(":" in entry or ";" in entry or "|" in entry for entry in entries):
            return None
        try:
            return [read_quantity(entry, unit, f"{self.path}: {name!r}").item() for entry in entries]
        except UnitError as error:
            raise ReaderError(str(error)) from error

    def number(self, name: str, unit: str) -> float | None:
        """Return a number in `unit`, None where the file has none, or several that differ."""
        found = set(self.numbers(name, unit) or ())
        return found.pop() if len(found) == 1 else None

    def chosen(self, section: str, model: str) -> bool:
        """Whether a model is the one that a section chooses, or the section does not say."""
        names = [self.values.get(f"{section}/{entry}") for entry in ("Model name", "List of model names")]
        told = [entry.strip().lower() for text in names if text for entry in text.split(",")]
        return not told or model.lower() in told


def read_parameter_file(path: Path) -> ParameterFile:
    """Read a ``.prm`` file and those that it includes; later entries replace earlier ones.

    Raises
    ------
    ReaderError
        Naming file and line.
    """
    values: dict[str, str] = {}
    if path.is_file():
        _read(path, values, [], ())
        if not any(name.startswith(("Geometry model/", "Dimension")) for name in values):
            raise ReaderError(f"{path}: neither 'Dimension' nor a subsection 'Geometry model': a copy that stopped?")
    return ParameterFile(path, values)


def _read(path: Path, values: dict[str, str], place: list[str], above: tuple[Path, ...]) -> None:
    if path in above or not path.is_file():
        raise ReaderError(f"{path}: {'includes itself' if path in above else 'no such file'}, included by {above[-1]}")
    text = re.sub(r"\\\r?\n", " ", read_text(path))
    depth = len(place)
    for number, raw in enumerate(text.splitlines(), start=1):
        word, _, rest = raw.split("#")[0].strip().partition(" ")
        rest = rest.strip()
        if word == "subsection":
            place.append(rest)
        elif word == "end" and len(place) <= depth:
            raise ReaderError(f"{path}: line {number}: 'end' without a subsection")
        elif word == "end":
            place.pop()
        elif word == "include":
            _read(path.parent / rest, values, place, (*above, path))
        elif word == "set" and "=" in rest:
            name, value = rest.split("=", 1)
            values["/".join([*place, " ".join(name.split())])] = value.strip()
    if len(place) > depth:
        raise ReaderError(f"{path}: ends inside the subsection {place[-1]!r}: a copy that stopped?")


def derived_parameters(prm: ParameterFile) -> dict[str, float]:
    """Derive what the file says of the parameters of a thermal evolution: diffusion creep and radioactive decay.

    Only models that the file chooses count. ASPECT's diffusion creep of stress exponent 1 is
    eta = exp((E + P V) / (R T)) / (2 A); the reference viscosity is its value at the planet's reference temperature
    and pressure. The crustal enrichment is the ratio of the concentrations in crust and mantle, if it is the same for
    all elements.

    Examples
    --------
    >>> flow = "Material model/Visco Plastic/"
    >>> found = derived_parameters(ParameterFile(Path("m.prm"), {
    ...     flow + "Prefactors for diffusion creep": "8.336e-15",
    ...     flow + "Activation energies for diffusion creep": "2e5",
    ...     flow + "Activation volumes for diffusion creep": "4e-6"}))
    >>> sorted(found)
    ['activation_energy', 'activation_volume', 'reference_viscosity']
    """
    flow = "Material model/Visco Plastic/"
    law = prm.values.get(flow + "Viscous flow law", "diffusion")
    result = {}
    if prm.chosen("Material model", "visco plastic") and law in ("diffusion", "composite"):
        names = {"Prefactors": "dimensionless", "Activation energies": "J/mol", "Activation volumes": "m**3/mol"}
        prefactor, energy, volume = (prm.number(f"{flow}{name} for diffusion creep", names[name]) for name in names)
        if energy is not None and volume is not None:
            result["activation_energy"], result["activation_volume"] = energy, volume
            grain = prm.number(flow + "Grain size exponents for diffusion creep", "dimensionless")
            if prefactor and prefactor > 0 and not grain:
                pressure, temperature = MARS.rheology_reference_pressure, MARS.rheology_reference_temperature
                exponent = (energy + pressure * volume) / (GAS_CONSTANT * temperature)
                result["reference_viscosity"] = 0.5 / prefactor * math.exp(min(exponent, 600.0))
    decay = "Heating model/Radioactive decay/Initial concentrations "
    if prm.chosen("Heating model", "radioactive decay"):
        crust, mantle = (prm.numbers(decay + part, "dimensionless") or [] for part in ("crust", "mantle"))
        ratios = [upper / lower for upper, lower in zip(crust, mantle, strict=False) if lower > 0]
        if ratios and len(ratios) == len(crust) == len(mantle) and max(ratios) - min(ratios) < 1e-3 * max(ratios):
            result["crustal_enrichment"] = ratios[0]
    return result
