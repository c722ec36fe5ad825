"""The command that runs the forward model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surrogate.cli.output import FAILED, Json, emit_json, ready_for, say


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(simulate)


def simulate(
    reference_viscosity: Annotated[str, typer.Option(help='Pa s, or with a unit: "1e21 Pa s".')],
    activation_energy: Annotated[str, typer.Option(help='J/mol: "300 kJ/mol".')],
    activation_volume: Annotated[str, typer.Option(help='m3/mol: "6 cm**3/mol".')],
    crustal_enrichment: Annotated[str, typer.Option(help="No unit.")],
    initial_temperature: Annotated[str, typer.Option(help='K: "1700 K".')],
    output: Annotated[Path, typer.Option("--output", "-o", help="NetCDF file of the run.")],
    config: Annotated[
        Path | None, typer.Option(help="YAML configuration: planet, grid, physics, numerics. Default: built in.")
    ] = None,
    number: Annotated[int, typer.Option(help="Number of the run; counts with `noise: per_run`.")] = 0,
    as_json: Json = False,
) -> None:
    """Simulate one thermal evolution with the forward model.

    A long run saves its state beside the output now and then; the same command goes on from there.

    Example: surrogate simulate --reference-viscosity "1e21 Pa s" --activation-energy "300 kJ/mol" --activation-volume
    6e-6 --crustal-enrichment 10 --initial-temperature 1700 -o run.nc
    """
    from surrogate.config import Config, load
    from surrogate.fields import write_netcdf
    from surrogate.parameters import Parameters

    settings = Config() if config is None else load(config)
    parameters = Parameters.create(
        reference_viscosity=reference_viscosity,
        activation_energy=activation_energy,
        activation_volume=activation_volume,
        crustal_enrichment=crustal_enrichment,
        initial_temperature=initial_temperature,
    )
    ready_for(output)
    from surrogate.simulator import SimulationError, compile_kernels
    from surrogate.simulator import simulate as run_model

    compiled = compile_kernels(settings.simulator)
    if compiled:
        say(f"compiled {compiled} functions")
    end = settings.simulator.end_time

    def tell(time: float) -> None:
        typer.echo(f"\r{time:6.3f} of {end:g} Gyr", nl=time >= end, err=True)

    try:
        run = run_model(
            parameters,
            settings.simulator,
            settings.make_planet(),
            settings.design.seed,
            number,
            progress=tell,
            checkpoint=output.with_suffix(".checkpoint.npz"),
        )
    except SimulationError as error:
        say(f"\nsurrogate: the simulation failed: {error}")
        raise typer.Exit(FAILED) from None
    write_netcdf(run, output)
    say(f"{output}: {run.attrs['status']}, {run.sizes['time']} snapshots")
    if as_json:
        emit_json({"output": str(output), **run.attrs})
