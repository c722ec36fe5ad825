"""Commands that verify the forward model: published benchmarks, and runs of another code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from surrogate.cli.output import Json, emit_json, ready_for, say, table

if TYPE_CHECKING:
    import pandas as pd


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(benchmark)
    app.command("compare-gaia")(compare_gaia)


def _show(frame: pd.DataFrame, as_json: bool) -> None:
    if as_json:
        emit_json(frame.to_dict("records"))
        return
    typer.echo(table([str(name).replace("_", " ") for name in frame.columns], frame.to_numpy().tolist()))


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
        ready_for(output)
    result = run_benchmarks(cases, sorted(cells or (32, 64)), grading, progress=say)
    if output is not None:
        result.to_csv(output, index=False)
    _show(result, as_json)


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
