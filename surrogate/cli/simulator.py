"""Commands of the forward model: run it, and hold it against published benchmarks and another code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from surrogate.cli.output import FAILED, Json, emit_json, parameter_options, progress, ready_for, say, table

if TYPE_CHECKING:
    import pandas as pd


app = typer.Typer()


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def simulate(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="NetCDF file of the run.")],
    config: Annotated[
        Path | None, typer.Option(help="YAML configuration: model, planet, grid, physics, numerics. Default: built in.")
    ] = None,
    number: Annotated[int, typer.Option(help="Number of the run; counts with `noise: per_run`.")] = 0,
    as_json: Json = False,
) -> None:
    """Simulate one run with the forward model.

    Every parameter of the model is an option, with a unit or in that of the model. A long run saves its state beside
    the output now and then; the same command goes on from there.

    Example: surrogate simulate --reference-viscosity "1e21 Pa s" --activation-energy "300 kJ/mol" --activation-volume
    6e-6 --crustal-enrichment 10 --initial-temperature 1700 -o run.nc

    Example: surrogate simulate --config config/box.yaml --rayleigh-number 1e5 --internal-heating 5 -o run.nc
    """
    from surrogate.config import Config, load_config
    from surrogate.fields import write_netcdf
    from surrogate.parameters import MODEL_PARAMETERS, Parameters

    arguments, values = parameter_options(context.args)
    if arguments:
        raise ValueError(f"{' '.join(arguments)}: expected options of parameters, --name value")
    settings = Config() if config is None else load_config(config)
    parameters = Parameters.create(values, MODEL_PARAMETERS[settings.simulator.model])
    ready_for(output, ".nc")
    from surrogate.simulator import SimulationError, compile_kernels
    from surrogate.simulator import simulate as run_model

    compiled = compile_kernels(settings.simulator)
    if compiled:
        say(f"compiled {compiled} functions")
    show, end = progress("simulate"), settings.simulator.end_time
    unit = "Gyr" if settings.simulator.model == "evolution" else "diffusion times"
    try:
        run = run_model(
            parameters,
            settings.simulator,
            settings.make_planet(),
            settings.design.seed,
            number,
            progress=lambda time: show(unit, time, end),
            checkpoint=output.with_suffix(".checkpoint.npz"),
        )
    except SimulationError as error:
        say(f"surrogate: the simulation failed: {error}")
        raise typer.Exit(FAILED) from None
    write_netcdf(run, output)
    say(f"{output}: {run.attrs['status']}, {run.sizes['time']} snapshots")
    if as_json:
        emit_json({"output": str(output), **run.attrs})


@app.command()
def velocity(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="NetCDF file of runs, simulated or predicted.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="NetCDF file of the flow.")] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Also draw arrows over the temperature of a run (png, pdf, svg).")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML configuration: planet and physics. Default: built in.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Solve for the flow of every temperature field in a file: velocity, viscosity, dissipation.

    Without --output, print the root-mean-square velocity.

    Example: surrogate velocity run.nc --output flow.nc --picture flow.png
    """
    from surrogate.config import Config, load_config
    from surrogate.fields import open_netcdf

    for path, suffixes in ((output, (".nc",)), (picture, (".png", ".pdf", ".svg"))):
        if path is not None:
            ready_for(path, *suffixes)
    settings, dataset = Config() if config is None else load_config(config), open_netcdf(file)
    many = "simulation" in dataset.dims
    if picture is not None and many:
        raise ValueError(f"{file}: --picture draws one run, this is a corpus of {dataset.sizes['simulation']}")
    from surrogate.simulator import velocity as solve

    flow = solve(dataset, settings.make_planet(), getattr(settings.simulator, "physics", None))
    if output is not None:
        from surrogate.files import atomic

        with atomic(output) as temporary:
            flow.to_netcdf(temporary, engine="h5netcdf")
        say(f"{output}: velocity, viscosity and dissipation {dict(dataset['temperature'].sizes)}")
    if picture is not None:
        from surrogate.figures.style import save
        from surrogate.figures.velocity import draw_velocity

        save(draw_velocity(dataset, flow), picture)
        say(f"{picture}: arrows over the temperature")
    speeds = flow["root_mean_square_velocity"]
    if as_json:
        times = {name: speeds[name].values for name in ("simulation", "snapshot_time", "time") if name in speeds.coords}
        emit_json({**times, "root_mean_square_velocity": speeds.values, "units": speeds.attrs["units"]})
    elif output is None:
        import numpy as np

        from surrogate.units import YEAR

        when = dataset["snapshot_time" if "snapshot_time" in dataset.coords else "time"].broadcast_like(speeds).values
        per_run = zip(dataset["simulation"].values if many else [""], *np.atleast_2d(when, speeds.values), strict=True)
        rows = [
            [*([run] if many else []), float(time), float(f"{100.0 * YEAR * speed:.4g}")]
            for run, times, values in per_run
            for time, speed in zip(times, values, strict=True)
            if np.isfinite(speed)
        ]
        typer.echo(table([*(["simulation"] if many else []), "time", "cm/yr"], rows))


@app.command()
def benchmark(
    cases: Annotated[list[str] | None, typer.Argument(help="Names of cases; default all (minutes to an hour).")] = None,
    cells: Annotated[list[int] | None, typer.Option(help="Cells between the walls; repeat it. Default 32, 64.")] = None,
    grading: Annotated[
        float | None,
        typer.Option(min=1, max=20, help="Middle cells over wall cells, steady cases. Default: the case's."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="CSV file of the table.")] = None,
    as_json: Json = False,
) -> None:
    """Run published benchmarks: case, resolution, quantity, published value, ours, relative difference.

    Example: surrogate benchmark blankenbach-1a cylinder-2.1 --cells 32 --cells 64
    """
    from surrogate.simulator import run_benchmarks

    if output is not None:
        ready_for(output, ".csv")
    result = run_benchmarks(cases, sorted(cells or (32, 64)), grading, progress=say)
    if output is not None:
        result.to_csv(output, index=False)
    _show(result, as_json)


@app.command("compare-gaia")
def compare_gaia(
    observables: Annotated[Path, typer.Argument(help="gaia_observables.csv.", exists=True, dir_okay=False)],
    folder: Annotated[Path, typer.Option("--folder", "-f", help="Gets the runs and the tables.")],
    rows: Annotated[int, typer.Option(min=2, help="Size of the seeded sample.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the sample and of the initial perturbation.")] = 2108,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    melting: Annotated[bool, typer.Option(help="Whether melt takes its heat away.")] = False,
    as_json: Json = False,
) -> None:
    """Compare with runs of GAIA on the same planet: bias, scatter, rank correlation; then the published examples.

    Example: surrogate compare-gaia gaia_observables.csv --folder gaia --workers 2
    """
    from surrogate import simulator

    ready_for(folder / "pairs.csv")
    settings = simulator.gaia_settings("extracted" if melting else "none")
    pairs, summary = simulator.compare_gaia(
        observables, folder / "rows", rows, seed, settings, workers=workers, progress=say
    )
    examples = simulator.compare_gaia_examples(folder / "examples", seed, settings, workers=workers, progress=say)
    for name, frame in (("pairs", pairs), ("summary", summary), ("examples", examples)):
        frame.to_csv(folder / f"{name}.csv", index=False)
    if as_json:
        emit_json({"summary": summary.to_dict("records"), "examples": examples.to_dict("records")})
        return
    _show(summary, False)
    spread = examples.groupby("time").difference.agg(["mean", "std"]).reset_index()
    typer.echo("\nPublished examples, lateral means at nine radii, ours minus published, K:")
    _show(spread, False)


def _show(frame: pd.DataFrame, as_json: bool) -> None:
    if as_json:
        emit_json(frame.to_dict("records"))
        return
    typer.echo(table([str(name).replace("_", " ") for name in frame.columns], frame.to_numpy().tolist()))
