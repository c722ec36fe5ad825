"""CPU seconds to a given error: convection that settles, by this simulator and by ASPECT where it is installed.

    python benchmarks/bench_equal_error.py [box] [annulus] [aspect] [learnt_flow]

- `box`: case 1a of Blankenbach et al. (1989).
- `annulus`: radii 0.5 to 1, no-slip walls, Ra 1e4, four plumes in the full circle, as in pull request 673 and issue 685
  of underworldcode/underworld3; an eighth of the circle, between two of its planes of symmetry.
- `aspect`: case 1a by the program `aspect` on the path, on the same machine.
- `learnt_flow`: the box of Agarwal et al. 2025 (arXiv:2505.16041), 4:1, viscosity contrast 4.7e8, 506 x 128 cells:
  seconds a step, and the share of the flow, which is all that a learnt flow can save.

From conduction with a small perturbation, on finer and finer grids. The time to an error is the CPU time after which
the Nusselt number stays within it; the least over the grids counts. One thread, without compilation.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before NumPy comes
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})

import numpy as np
import pandas as pd
from scipy.interpolate import RegularGridInterpolator

from surrogate.parameters import CONVECTION_PARAMETERS, Parameters
from surrogate.settings import ConvectionSettings
from surrogate.simulator import BoussinesqConvection
from surrogate.simulator.numba_engine.stokes import root_mean_square_velocity

ERRORS = (0.01, 0.001)
BOX_NUSSELT = 4.884409
"""Blankenbach et al. (1989), case 1a."""

ANNULUS_NUSSELT = 2.5075
"""The Eulerian scheme of the pull request: 2.504 through the inner, 2.511 through the outer wall, 2.500 between them;
vrms 38.39 in diffusivities over the outer radius. The semi-Lagrangian one: 2.647, 2.467, 2.483; 38.28."""

OUTER_RADIUS = 2.0
"""In thicknesses of that annulus."""

CONTRAST, HEATING = 4.7e8, 5.0
"""Of the viscosity, and internal heating, of the box of `learnt_flow`; its Rayleigh number is 1 with the viscosity of
the surface, so that it is the contrast at the bottom."""

DEVELOPED = 0.1
"""Diffusion times that this box convects on a grid of a quarter of the cells in each direction before it is timed."""

WARM_UP, TIMED = 100, 300
"""Energy steps before and while it is timed."""


def settings_of(**given: Any) -> ConvectionSettings:
    common = {"model": "convection", "initial_waves": 1, "noise_amplitude": 0.05, "end_time": 0.5, "snapshots": 251}
    return ConvectionSettings(**{**common, "maximum_time_step": 0.01, "stokes_tolerance": 1e-3, **given})


def box(cells: int) -> ConvectionSettings:
    return settings_of(width=1.0, vertical_cells=cells, lateral_cells=cells)


def annulus(cells: int) -> ConvectionSettings:
    columns = 2 * round(0.6 * cells)
    sector = {"geometry": "cylinder", "radius_ratio": 0.5, "sector_degrees": 45.0}
    return settings_of(**sector, vertical_cells=cells, lateral_cells=columns)


def settle(settings: ConvectionSettings, no_slip: bool = False) -> pd.DataFrame:
    """Run; return CPU seconds, Nusselt number and velocity at every snapshot."""
    run = BoussinesqConvection(Parameters(1e4, 0.0, space=CONVECTION_PARAMETERS), settings)
    if no_slip:
        run.layer = replace(run.layer, inner_no_slip=True, outer_no_slip=True)
    seconds: list[float] = []
    run.run(lambda _: seconds.append(run.cpu_seconds))
    if run.status != "done":
        raise RuntimeError(run.reason)
    inner, outer = (np.array(run.series[f"{wall}_heat_flux"]) for wall in ("core_mantle_boundary", "surface"))
    velocity = run.series["root_mean_square_velocity"]
    return pd.DataFrame({"seconds": seconds, "Nu": 0.5 * (inner + outer), "vrms": velocity})


def seconds_to(history: pd.DataFrame, nusselt: float, error: float) -> float:
    """CPU seconds after which the Nusselt number stays within a relative error; NaN if it ends outside."""
    outside = np.flatnonzero(np.abs(history.Nu.to_numpy() / nusselt - 1) > error)
    first = outside[-1] + 1 if outside.size else 0
    return float(history.seconds.iloc[first]) if first < len(history) else float("nan")


def race(name: str, nusselt: float, histories: dict[str, pd.DataFrame], velocity: float = 1.0) -> None:
    """Print a line per grid, and the least time to each error."""
    rows = {
        grid: {
            "Nu": history.Nu.iloc[-1],
            "Nu off by": history.Nu.iloc[-1] / nusselt - 1,
            "vrms": velocity * history.vrms.iloc[-1],
            **{f"s to {error:.1%}": seconds_to(history, nusselt, error) for error in ERRORS},
            "s in all": history.seconds.iloc[-1],
        }
        for grid, history in histories.items()
    }
    table = pd.DataFrame(rows).T
    print(f"\n{name}, Nu {nusselt}\n{table.to_string(float_format=lambda value: f'{value:.5g}')}")
    for error in ERRORS:
        column = table[f"s to {error:.1%}"]
        if column.notna().any():
            print(f"to {error:.1%}: {column.min():.3g} CPU s, grid {column.idxmin()}")


def race_box() -> None:
    race("Blankenbach 1a", BOX_NUSSELT, {str(cells): settle(box(cells)) for cells in (12, 16, 24, 32, 48)})


def race_annulus() -> None:
    histories = {str(cells): settle(annulus(cells), no_slip=True) for cells in (12, 16, 24, 32, 48, 64, 96)}
    race("annulus, against the other code", ANNULUS_NUSSELT, histories, OUTER_RADIUS)
    fine, finest = (histories[cells].Nu.iloc[-1] for cells in ("64", "96"))
    ratio = (96 / 64) ** 2
    limit = (ratio * finest - fine) / (ratio - 1)
    race("annulus, against Richardson of our two finest grids", round(limit, 4), histories, OUTER_RADIUS)


PARAMETER_FILE = """
set Dimension = 2
set Use years in output instead of seconds = false
set End time = 0.5
set Output directory = {folder}
set CFL number = 0.9
subsection Formulation
  set Formulation = Boussinesq approximation
end
subsection Geometry model
  set Model name = box
end
subsection Initial temperature model
  set Model name = function
  subsection Function
    set Variable names = x,z
    set Function expression = 1 - z + 0.05 * sin(pi * z) * cos(pi * x)
  end
end
subsection Boundary temperature model
  set List of model names = box
  set Fixed temperature boundary indicators = bottom, top
  subsection Box
    set Bottom temperature = 1
    set Top temperature = 0
  end
end
subsection Boundary velocity model
  set Tangential velocity boundary indicators = left, right, bottom, top
end
subsection Gravity model
  set Model name = vertical
  subsection Vertical
    set Magnitude = 1e4
  end
end
subsection Material model
  set Model name = simple
  subsection Simple model
    set Reference density = 1
    set Reference specific heat = 1
    set Reference temperature = 0
    set Thermal conductivity = 1
    set Thermal expansion coefficient = 1
    set Viscosity = 1
  end
end
subsection Mesh refinement
  set Initial global refinement = {level}
  set Initial adaptive refinement = 0
  set Time steps between mesh refinement = 0
end
subsection Postprocess
  set List of postprocessors = velocity statistics, heat flux statistics
end
"""


def race_aspect() -> None:
    """Run ASPECT on uniform meshes of 2^level cells; the CPU time of a step is taken as the same for all."""
    if shutil.which("aspect") is None:
        print("\naspect: not on the path (Debian 13 and later have the package); skipped")
        return
    histories = {}
    for level in (3, 4, 5, 6):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "case.prm"
            file.write_text(PARAMETER_FILE.format(folder=folder, level=level))
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(["aspect", file], check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            lines = (Path(folder) / "statistics").read_text().splitlines()
        names = [line.partition(": ")[2] for line in lines if line.startswith("#")]
        values = pd.DataFrame([line.split()[: len(names)] for line in lines if not line.startswith("#")], columns=names)
        fluxes = [name for name in names if re.match(r"Outward heat flux .*(bottom|top)", name)]
        velocity = next(name for name in names if name.startswith("RMS velocity"))
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        histories[str(2**level)] = pd.DataFrame(
            {
                "seconds": spent * np.arange(1, len(values) + 1) / len(values),
                "Nu": values[fluxes].astype(float).abs().mean(axis=1),
                "vrms": values[velocity].astype(float),
            }
        )
    race("Blankenbach 1a by ASPECT", BOX_NUSSELT, histories)


def race_learnt_flow() -> None:
    """Time steps of a developed flow; what is not the flow would stay if a network gave it for nothing."""

    def start(rows: int, columns: int, **given: Any) -> BoussinesqConvection:
        settings = settings_of(width=4.0, vertical_cells=rows, lateral_cells=columns, initial_waves=0, snapshots=2)
        changes = {"viscosity_contrast": CONTRAST, "stokes_tolerance": 1e-2, **given}
        point = Parameters(1.0, HEATING, space=CONVECTION_PARAMETERS)
        return BoussinesqConvection(point, settings.model_copy(update=changes))

    coarse = start(32, 126, end_time=DEVELOPED)
    coarse.run()
    run = start(128, 506, end_time=10.0, maximum_steps=WARM_UP)
    mesh, fine = coarse.mesh, run.mesh
    padded = np.pad(coarse.layer.temperature, 1, mode="edge")
    padded[0], padded[-1] = 1.0, 0.0
    heights, widths = np.r_[0.0, mesh.centres, 1.0], (np.arange(-1, mesh.columns + 1) + 0.5) * mesh.step
    points = np.meshgrid(fine.centres, fine.angles, indexing="ij")
    run.layer.temperature[:] = RegularGridInterpolator((heights, widths), padded)(tuple(points))
    run.run()
    settings = run.settings
    solve, spent = run._solve, [0.0]

    def timed(*given: float, solve: Callable[..., None] = solve) -> None:
        begun = time.process_time()
        solve(*given)
        spent[0] += time.process_time() - begun

    setattr(run, "_solve", timed)  # noqa: B010
    layer, before = run.layer, (run.steps, run.cpu_seconds, run.layer.stokes_solutions, run.layer.iterations)
    run.settings, run.status = settings.model_copy(update={"maximum_steps": WARM_UP + TIMED}), "running"
    run.run()
    steps, seconds, flows = run.steps - before[0], run.cpu_seconds - before[1], layer.stokes_solutions - before[2]
    print(
        f"\nbox of 4:1, 506 x 128 cells, viscosity contrast {CONTRAST:g}, internal heating {HEATING:g}, after "
        f"{coarse.steps} steps to time {DEVELOPED} on 126 x 32 cells: mean temperature "
        f"{fine.average(layer.temperature):.3f}, vrms {root_mean_square_velocity(layer.psi, fine):.4g}, steps of "
        f"{layer.time_step:.2g}\n"
        f"{1e3 * seconds / steps:.2f} ms of CPU an energy step; {1e3 * spent[0] / flows:.1f} ms a flow, one for "
        f"{steps / flows:.2g} steps, {(layer.iterations - before[3]) / flows:.1f} iterations; the flow is "
        f"{spent[0] / seconds:.0%} of the time: one for nothing would make a run "
        f"{1 / (1 - spent[0] / seconds):.2g} times as fast"
    )


RACES = {"box": race_box, "annulus": race_annulus, "aspect": race_aspect, "learnt_flow": race_learnt_flow}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("races", nargs="*", help=f"some of {', '.join(RACES)}; default all")
    names = parser.parse_args().races or list(RACES)
    if unknown := set(names) - set(RACES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    settle(box(8))  # compiles, or reads what was compiled
    settle(annulus(8), no_slip=True)
    for name in names:
        RACES[name]()


if __name__ == "__main__":
    main()
