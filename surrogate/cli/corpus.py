"""Commands about a corpus: design, ingest, inspect, doctor, show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from surrogate.cli.output import FAILED, Json, emit_json, progress, ready_for, say, table

if TYPE_CHECKING:
    from surrogate.config import Config

FEW = 3
"""Runs that are named where many have the same fault."""

app = typer.Typer(help="A corpus of runs: sample, ingest, look at it.", no_args_is_help=True)

Store = Annotated[Path, typer.Argument(metavar="STORE", help="Zarr store of a corpus.")]
Reader = Annotated[str | None, typer.Option(help="Name of a reader of raw runs; default: that of the configuration.")]
Source = Annotated[
    Path | None, typer.Option(help="YAML configuration; its sections `source`, `parameters` and `corpus` count.")
]


@app.command()
def design(
    output: Annotated[Path, typer.Argument(metavar="CSV", help="Table to write.")],
    runs: Annotated[int | None, typer.Option(help="Number of runs; default: that of the configuration.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the scrambling.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML configuration; its sections `design` and `parameters` count.")
    ] = None,
) -> None:
    """Sample parameter space: one row per run to simulate.

    Example: surrogate corpus design design.csv --runs 64
    """
    from surrogate.config import Config, load_config, parse
    from surrogate.corpus import make_design, write_design

    settings = (Config() if config is None else load_config(config)).model_dump(exclude_unset=True)
    changes = {name: value for name, value in (("runs", runs), ("seed", seed)) if value is not None}
    settings["design"] = {**settings.get("design", {}), **changes}
    ready_for(output, ".csv")
    changed = parse(settings, "options")
    table_of_runs = make_design(changed.design, changed.make_space())
    write_design(table_of_runs, output)
    say(f"{output}: {len(table_of_runs)} runs")


@app.command()
def ingest(
    store: Store,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Raw runs.")],
    config: Source = None,
    reader: Reader = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    rejected: Annotated[Path | None, typer.Option(help="CSV of the runs left out and flagged, with reasons.")] = None,
    as_json: Json = False,
) -> None:
    """Bring raw runs into one store; bad runs are left out and named.

    Example: surrogate corpus ingest corpus.zarr raw/run_*.nc --rejected rejected.csv
    """
    from surrogate.corpus import ingest as run_ingest

    settings = _settings(config)
    if rejected is not None:
        ready_for(rejected, ".csv")
    summary = run_ingest(
        files,
        store,
        settings.corpus,
        rejected,
        reader=reader or settings.source.reader,
        options=settings.source.options,
        parameters=settings.named_parameters,
        workers=workers,
        memory_limit=settings.resources.memory_limit,
        progress=progress("ingest"),
    ).as_dict()
    if as_json:
        emit_json(summary)
    else:
        for note in summary.pop("notes"):
            say(f"parameters: {note}")
        typer.echo(table(["", ""], [[name.replace("_", " "), value] for name, value in summary.items()]).lstrip())


@app.command()
def inspect(
    store: Annotated[Path, typer.Argument(metavar="STORE|FILE", help="A store, or one raw run.")],
    reader: Reader = None,
    config: Source = None,
    as_json: Json = False,
) -> None:
    """Tell what a corpus holds: size, split, ranges, origin; of a raw run, which reader takes it and what is in it.

    Example: surrogate corpus inspect results/default/corpus.zarr
    """
    from surrogate.corpus import inspect_file, inspection_text, show_store, store_text

    if _is_corpus(store):
        content = show_store(store)
        if as_json:
            emit_json(content)
        else:
            typer.echo(store_text(content))
        return
    settings = _settings(config)
    found = inspect_file(store, reader or settings.source.reader, settings.source.options, settings.named_parameters)
    if as_json:
        emit_json(found)
    else:
        typer.echo(inspection_text(found))
    if found["problem"]:
        raise typer.Exit(FAILED)


def _settings(config: Path | None) -> Config:
    from surrogate.config import Config, load_config

    return Config() if config is None else load_config(config)


def _is_corpus(path: Path) -> bool:
    root = path / "zarr.json"
    return root.is_file() and "corpus_format" in root.read_text(encoding="utf-8")


@app.command()
def doctor(
    paths: Annotated[list[Path], typer.Argument(metavar="STORE|FILE...", help="A store, or raw runs.")],
    reader: Reader = None,
    config: Source = None,
    report: Annotated[
        Path | None, typer.Option(help="Also write a report with the coverage of parameter space: .html or .md.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List what is wrong with the runs of a store, or with raw runs before they are ingested; all values are read.

    Example: surrogate corpus doctor raw/run_*.nc --report health.html
    """
    from surrogate.corpus import FINDING_HEADER, examine, examine_store, finding_rows, join_examinations

    if report is not None:
        ready_for(report, ".html", ".md")
    stores = [path for path in paths if _is_corpus(path)]
    files = [path for path in paths if path not in stores]
    parts = [examine_store(path) for path in stores]
    if files:
        settings = _settings(config)
        chosen = reader or settings.source.reader
        about: dict[str, Any] = {"options": settings.source.options, "parameters": settings.named_parameters}
        parts.append(examine(files, settings.corpus, reader=chosen, **about))
    seen = join_examinations(parts)
    if report is not None:
        from surrogate.corpus import html_report, markdown_report
        from surrogate.files import atomic

        with atomic(report) as temporary:
            temporary.write_text(
                html_report(seen) if report.suffix == ".html" else markdown_report(seen), encoding="utf-8"
            )
    for note in seen.notes:
        say(f"parameters: {note}")
    if as_json:
        emit_json([finding.as_dict() for finding in seen.findings])
    elif seen.findings:
        typer.echo(table(FINDING_HEADER, finding_rows(seen.findings, FEW)))
    else:
        typer.echo(f"nothing wrong with {len(paths)} {'store' if stores else 'files'}")
    if seen.severe:
        raise typer.Exit(FAILED)


@app.command()
def show(
    store: Store,
    simulation: Annotated[int | None, typer.Option(help="Number of one run; default: a table of all.")] = None,
    as_json: Json = False,
) -> None:
    """Show the runs of a corpus, or the history of one.

    Example: surrogate corpus show results/default/corpus.zarr --simulation 12
    """
    import numpy as np

    from surrogate.corpus import CorpusError, open_corpus
    from surrogate.diagnostics import core_mantle_boundary_heat_flux, mean_temperature, surface_heat_flux
    from surrogate.fields import SPLITS, parameter_table, select_run, space_of, units_of

    dataset = open_corpus(store)
    numbers = dataset["simulation"].values
    if simulation is None:
        header = ["simulation", "split", "snapshots", *space_of(dataset).names]
        rows: list[list[Any]] = [
            [int(number), SPLITS[int(split)], int(count), *map(float, values)]
            for number, split, count, values in zip(
                numbers,
                dataset["split"].values,
                dataset["snapshot_count"].values,
                parameter_table(dataset),
                strict=True,
            )
        ]
    else:
        position = np.flatnonzero(numbers == simulation)
        if not position.size:
            raise CorpusError(f"{store}: has no run {simulation}; it holds {numbers.min()} .. {numbers.max()}")
        run = select_run(dataset, int(position[0])).load()
        columns = (mean_temperature(run), surface_heat_flux(run), core_mantle_boundary_heat_flux(run))
        header = ["time", "mean_temperature", "surface_heat_flux", "core_mantle_boundary_heat_flux"]
        if units_of(run).dimensional:
            header = [name + unit for name, unit in zip(header, ("_Gyr", "_K", "_W_m2", "_W_m2"), strict=True)]
        rows = [list(map(float, row)) for row in zip(run["time"].values, *(c.values for c in columns), strict=True)]
    if as_json:
        emit_json([dict(zip(header, row, strict=True)) for row in rows])
    else:
        typer.echo(table(header, rows))
