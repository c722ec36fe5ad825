"""An opened bundle: what it says of itself, and whether it still is what was trained."""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr

from surrogate.annulus import Annulus
from surrogate.files import code_version
from surrogate.planet import Planet
from surrogate.query import bundle as bundles
from surrogate.query.answer import Form
from surrogate.query.arguments import QueryError
from surrogate.query.description import planet_from_dict, summary
from surrogate.query.engine import Engine
from surrogate.query.example import compare_example
from surrogate.query.nearness import NEARNESS_FILE, Nearness


class Opened:
    """A bundle and its networks, which are read when first needed; made by :meth:`load`.

    Its attributes are described at :class:`surrogate.query.surrogate.Surrogate`.
    """

    def __init__(self, folder: Path, description: Mapping[str, Any], source: Path | None = None) -> None:
        self.folder, self.description = folder, dict(description)
        self._source = source or folder
        try:
            grid = description["grid"]
            self.annulus = Annulus(np.asarray(grid["radius_faces"]), np.asarray(grid["angle_faces"]))
            self.planet: Planet = planet_from_dict(description["planet"])
            self.conductivity = description["conductivity"]
            self.parameter_ranges: dict[str, tuple[float, float]] = {
                name: (float(entry["low"]), float(entry["high"])) for name, entry in description["parameters"].items()
            }
            self.time_range = (float(description["time"]["first"]), float(description["time"]["last"]))
            self.default_times = np.linspace(*self.time_range, int(description["time"]["count"]))
        except (KeyError, TypeError) as error:
            raise bundles.BundleError(f"{self._source}: bundle.json lacks or misspells {error}") from None
        self.engine = Engine(folder)
        self._calibrations: dict[str, xr.Dataset] = {}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Open a bundle: a folder, a zip file of one, the name of a pipeline run in ``results/``, or ``"demo"``.

        Every file is compared with the checksums in the bundle. Networks are read when first needed. The bundle
        ``demo`` comes with the package; :meth:`inspect` says what it was trained on.

        Raises
        ------
        FileNotFoundError
            If there is nothing of that name.
        BundleError
            If the bundle is incomplete, changed, cut short, or of a newer version.

        Examples
        --------
        >>> from surrogate import Surrogate
        >>> Surrogate.load("demo").inspect()["runs"]["train"]
        96
        """
        with bundles.opened(path) as (folder, source):
            result = cls(folder, bundles.read_bundle(folder), source)
        if folder != source:
            weakref.finalize(result, shutil.rmtree, folder, ignore_errors=True)
        return result

    def __repr__(self) -> str:
        return f"<Surrogate {self._source}: {' x '.join(map(str, self.annulus.shape))} nodes>"

    def inspect(self) -> dict[str, Any]:
        """Tell what this surrogate is: where it comes from, where it is valid, how good it is, where it stops."""
        return summary(self.description, self._source)

    def verify(self) -> dict[str, Any]:
        """Check every file against its checksum and recompute the stored example.

        Returns
        -------
        dict
            ``passed``, ``files`` (number checked), ``example`` (per method: largest and tolerated difference, K).

        Raises
        ------
        BundleError
            If a file is missing or was changed.
        """
        bundles.read_bundle(self.folder)
        tolerance = float(self.description["example"]["tolerance"])
        example = {
            method: {"difference": error, "tolerance": tolerance, "passed": bool(error <= tolerance)}
            for method, error in compare_example(self.folder, self.engine).items()
        }
        passed = all(entry["passed"] for entry in example.values())
        return {"passed": passed, "files": len(self.description["files"]), "example": example}

    @cached_property
    def form(self) -> Form:
        """What answers with fields are written into."""
        return Form(self.annulus)

    @cached_property
    def nearness(self) -> Nearness:
        """Where the training runs lie."""
        return Nearness.read(self.folder / NEARNESS_FILE)

    def calibrated(self, method: str) -> bool:
        """Tell whether the bundle holds intervals for a method."""
        return (self.folder / f"calibration_{method}.nc").is_file()

    def calibration(self, method: str) -> xr.Dataset:
        """Return the intervals of a method; see :func:`surrogate.query.intervals.calibrate`.

        Raises
        ------
        QueryError
            If the bundle holds none.
        """
        if not self.calibrated(method):
            raise QueryError(f"interval: {self._source} holds no calibration of {method!r} (no validation runs)")
        if method not in self._calibrations:
            path = self.folder / f"calibration_{method}.nc"
            self._calibrations[method] = xr.load_dataset(path, engine="h5netcdf")
        return self._calibrations[method]

    def attributes(self, method: str) -> dict[str, Any]:
        """Say in an answer of a method where it comes from."""
        attributes = {
            "title": "Temperature of a mantle, predicted by a surrogate",
            "method": method,
            "surrogate": str(self.description.get("name", "")),
            "bundle_digest": str(self.description["digest"]),
            "code_version": code_version(),
            "conductivity": self.conductivity,
        }
        if method != "fnn":
            attributes["time_interpolation"] = (
                f"the LSTM advances in steps of {self.engine.lstm.cadence:g} Gyr from "
                f"{self.engine.lstm.first_time:g} Gyr; latents are linear in time between its steps"
            )
        return attributes
