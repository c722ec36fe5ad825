"""Draw the pictures of simulator.md: scatter plots of the GAIA comparison, and a movie of one run.

python docs/figures_simulator.py pairs.csv docs/images/simulator_gaia.png
python docs/figures_simulator.py run.nc docs/images/simulator_run.gif
"""

import sys

import cmcrameri  # noqa: F401  (registers the colour maps)
import matplotlib
import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.animation import FuncAnimation, PillowWriter

from surrogate.fields import geometry_of, open_netcdf
from surrogate.simulator import GAIA_OBSERVABLES

matplotlib.use("Agg")


def scatter(source: str, target: str) -> None:
    """Draw ours against GAIA, one panel per observable, coloured by reference viscosity."""
    pairs = pd.read_csv(source)
    figure, axes = pyplot.subplots(2, 2, figsize=(8, 7.4), layout="constrained")
    for axis, name in zip(axes.ravel(), GAIA_OBSERVABLES, strict=True):
        theirs, ours = pairs[f"{name}_gaia"], pairs[f"{name}_ours"]
        low, high = min(theirs.min(), ours.min()), max(theirs.max(), ours.max())
        axis.plot([low, high], [low, high], color="0.6", linewidth=1)
        points = axis.scatter(theirs, ours, 14, np.log10(pairs.reference_viscosity), cmap="cmc.batlow")
        unit = "K" if name.startswith("mean") else "mW/m²"
        axis.set(xlabel=f"GAIA [{unit}]", ylabel=f"ours [{unit}]", title=name.replace("_", " "))
    figure.colorbar(points, ax=axes, label="log10 of the reference viscosity [Pa s]", shrink=0.6)
    figure.savefig(target, dpi=110)


def movie(source: str, target: str) -> None:
    """Animate the temperature of a run."""
    with open_netcdf(source) as run:
        geometry = geometry_of(run)
        temperature, times = run.temperature.values[:, 1:-1], run.time.values
    radius, angle = np.meshgrid(geometry.vertical_faces / 1e3, geometry.lateral_faces, indexing="ij")
    figure, axis = pyplot.subplots(figsize=(4.6, 4.2), layout="constrained")
    mesh = axis.pcolormesh(
        radius * np.sin(angle), radius * np.cos(angle), temperature[0], cmap="cmc.lajolla_r", vmin=250, vmax=2300
    )
    axis.set_aspect("equal")
    axis.set_axis_off()
    figure.colorbar(mesh, label="temperature [K]", shrink=0.7)

    def draw(frame: int) -> None:
        mesh.set_array(temperature[frame])
        axis.set_title(f"{times[frame]:.2f} Gyr")

    FuncAnimation(figure, draw, len(times)).save(target, PillowWriter(fps=10), dpi=80)


if __name__ == "__main__":
    (movie if sys.argv[2].endswith(".gif") else scatter)(*sys.argv[1:3])
