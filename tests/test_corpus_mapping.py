"""Gridded runs whose values are dimensionless, for planets of any radius and temperature."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_corpus_readers import FIELD, GRID, POINT, TIME
from test_corpus_readers import _write as write_arrays

from surrogate.corpus import examine
from surrogate.corpus.readers import ReaderError, open_run
from surrogate.fields import geometry_of

SCALES = {
    "length": f"{GRID.thickness / 1e3!r} km",
    "temperature": "2000 K",
    "temperature_offset": 250.0,
    "diffusivity": "1e-6 m^2/s",
    "conductivity": 4.0,
}


def dimensionless_run(path: Path) -> Any:
    """A run in which everything is dimensionless, as many solvers write it, and the options that say so."""
    seconds = GRID.thickness**2 / 1e-6
    arrays = {
        "temperature": (FIELD[:, 1:-1] - 250.0) / 2000.0,
        "time": TIME * 3.15576e16 / seconds,
        "radius": GRID.vertical[1:-1] / GRID.thickness,
        "angle": GRID.lateral,
        "Tm": np.linspace(0.8, 0.7, 12),
        "Tcore": np.linspace(1.0, 0.9, 12),
        "Nu": np.linspace(9.0, 3.0, 12),
        "v": np.full(12, 100.0),
    }
    write_arrays(path, arrays)
    bare = {"unit": "dimensionless"}
    options = {
        "temperature": bare,
        "time": {"variable": "time", **bare},
        "radius": {"variable": "radius", **bare},
        "walls": {"core": {"variable": "Tcore", **bare}, "surface": {"values": [0.0], **bare}},
        "series": {
            "mean_temperature": {"variable": "Tm", **bare},
            "core_temperature": {"variable": "Tcore", "scale": 2000.0, "offset": -23.15, "unit": "degC"},
            "surface_heat_flux": {"variable": "Nu", **bare},
            "root_mean_square_velocity": {"variable": "v", **bare},
        },
        "scales": SCALES,
        "parameters": POINT,
    }
    return arrays, options, seconds


def test_a_dimensionless_run_gets_the_scales_of_its_planet(tmp_path: Path) -> None:
    arrays, options, seconds = dimensionless_run(tmp_path / "run.npz")
    with open_run(tmp_path / "run.npz", options=options) as run:
        np.testing.assert_allclose(geometry_of(run).vertical_faces, GRID.vertical_faces)
        np.testing.assert_allclose(run.time, TIME)
        np.testing.assert_allclose(run.temperature[:, 1:-1], FIELD[:, 1:-1], rtol=1e-6)
        np.testing.assert_allclose(run.temperature[:, 0], np.repeat(2000 * arrays["Tcore"][:, None] + 250, 8, 1))
        assert np.all(run.temperature[:, -1] == 250.0)
        np.testing.assert_allclose(run.mean_temperature, 2000 * arrays["Tm"] + 250)
        np.testing.assert_allclose(run.core_temperature, 2000 * arrays["Tcore"] + 250)
        np.testing.assert_allclose(run.surface_heat_flux, arrays["Nu"] * 4.0 * 2000.0 / GRID.thickness)
        np.testing.assert_allclose(run.root_mean_square_velocity, 100.0 * GRID.thickness / seconds)
    stated = {name: value for name, value in SCALES.items() if name != "diffusivity"} | {"time": f"{seconds!r} s"}
    with open_run(tmp_path / "run.npz", options={**options, "scales": stated}) as run:
        np.testing.assert_allclose(run.time, TIME)


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ({}, r"run\.npz: variable 'time': unit 'dimensionless' needs scales\.length, in m"),
        ({"length": "1700 km"}, r"variable 'time': unit 'dimensionless' needs scales\.diffusivity, in m\*\*2/s"),
        ({**SCALES, "time": "1 Gyr"}, "time or diffusivity, not both"),
        ({**SCALES, "length": "1700 K"}, "scales.*length"),
        ({**SCALES, "length": -1.0}, "length must be positive, got -1"),
        ({**SCALES, "lenght": 1.0}, r"scales\.lenght: Extra inputs"),
        ({**SCALES, "temperature": None}, r"unit 'dimensionless' needs scales\.temperature, in K"),
    ],
)
def test_a_scale_that_is_missing_or_wrong_is_named(tmp_path: Path, scales: Any, message: str) -> None:
    _, options, _ = dimensionless_run(tmp_path / "run.npz")
    with pytest.raises(ReaderError, match=message):
        open_run(tmp_path / "run.npz", options={**options, "scales": scales})


def test_dimensionless_values_that_are_not_called_so_are_noticed(tmp_path: Path) -> None:
    _, options, _ = dimensionless_run(tmp_path / "run.npz")
    with pytest.raises(ReaderError, match=r"run\.npz: radius spans .* m; give its unit, or 'dimensionless'"):
        open_run(tmp_path / "run.npz", options={**options, "radius": {"variable": "radius"}})
    in_kelvin = {**options, "temperature": {}, "walls": {"core": "extrapolate", "surface": "extrapolate"}}
    found = examine([tmp_path / "run.npz"], options=in_kelvin).table()
    message = found[found.what == "out of range"].message.item()
    assert "expected kelvin within 50 .. 6000; dimensionless values need their unit and scales" in message
    write_arrays(
        tmp_path / "plain.npz", {"temperature": FIELD, "time": TIME, "radius": GRID.vertical, "angle": GRID.lateral}
    )
    with pytest.raises(ReaderError, match="scales are given, but no quantity"):
        open_run(tmp_path / "plain.npz", options={"parameters": POINT, "scales": SCALES})
