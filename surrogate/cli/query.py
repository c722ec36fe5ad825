"""Commands that ask a trained surrogate, on the command line or on a page, and those about its bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from surrogate.cli.output import (
    FAILED,
    Json,
    emit_json,
    load_networks_quietly,
    parameter_options,
    ready_for,
    say,
    table,
)

Bundle = Annotated[
    str, typer.Argument(metavar="BUNDLE", help="Folder or zip file of a bundle, the name of a run, or demo.")
]

WRITTEN_AT_ONCE = 0.2
"""Gigabytes of fields; more are computed and written piece by piece, which Ctrl+C can end between two pieces."""


app = typer.Typer()


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def predict(
    context: typer.Context,
    bundle: Bundle,
    parameters: Annotated[
        Path | None,
        typer.Option("--parameters", help="CSV with one row per set, as `surrogate corpus design` writes it."),
    ] = None,
    time: Annotated[
        list[str] | None,
        typer.Option("--time", help='Gyr, or with a unit: "500 Myr"; repeat it. Default: all trained times.'),
    ] = None,
    method: Annotated[str, typer.Option(help="One that `surrogate inspect` lists.")] = "fnn",
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="Answer also far outside the training runs, at your own risk.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="NetCDF file of the temperature fields.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Also draw one set at up to five times (png, pdf, svg).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict the thermal evolution of one set of parameters, or of a table of them.

    Every parameter that `surrogate inspect BUNDLE` lists is an option: --initial-temperature 1700, or with a unit,
    "1427 degC". Without --output, print mean temperature and heat fluxes.

    Example: surrogate predict results/default/surrogate --reference-viscosity "1e21 Pa s" --activation-energy
    "300 kJ/mol" --activation-volume 6e-6 --crustal-enrichment 10 --initial-temperature 1700 --time 1 --time 4.5
    -o run.nc
    """
    from surrogate.query import QueryError, Surrogate

    bundles, words = parameter_options([bundle, *context.args])
    given: dict[str, Any] = dict(words)
    if len(bundles) != 1:
        raise QueryError(f"expected one bundle, got {', '.join(bundles) or 'none'}")
    [bundle] = bundles
    if parameters is not None:
        if given:
            raise QueryError(f"--parameters: a table cannot be combined with {', '.join(given)}")
        from surrogate.corpus.design import read_design

        given = {"parameters": read_design(parameters)}
    for path, suffixes in ((output, (".nc",)), (picture, (".png", ".pdf", ".svg"))):
        if path is not None:
            ready_for(path, *suffixes)
    surrogate = Surrogate.load(bundle)
    surrogate.engine.import_keras = load_networks_quietly
    question: dict[str, Any] = {**given, "time": time or None, "method": method, "extrapolate": extrapolate}
    if picture is not None:
        _draw(surrogate, question, picture)
    if output is not None:
        from surrogate.fields import write_netcdf

        surrogate.largest_answer = WRITTEN_AT_ONCE
        answer = surrogate.predict(**question)
        write_netcdf(answer, output)
        say(f"{output}: temperature {dict(answer['temperature'].sizes)}")
        if as_json:
            emit_json({"output": str(output), "sizes": dict(answer["temperature"].sizes), **answer.attrs})
        return
    import warnings

    flux = surrogate.heat_flux(**question)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said once, by the line above
        flux = flux.merge(surrogate.mean_temperature(**question), compat="override", combine_attrs="override")
    _print_series(flux, as_json)


def _draw(surrogate: Any, question: dict[str, Any], path: Path) -> None:
    import warnings

    from surrogate.files import atomic

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the answer itself says it
        figure = surrogate.plot(**question, interval=0.9 if surrogate.calibrated(question["method"]) else None)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=200)
    say(f"{path}: drawn with 90 % intervals of the profiles")


def _print_series(answer: Any, as_json: bool) -> None:
    from surrogate.fields import units_of

    names = ["mean_temperature", "surface_heat_flux", "core_mantle_boundary_heat_flux", "in_range"]
    if as_json:
        content = {"time": answer["time"].values, **{name: answer[name].values for name in names}}
        if "simulation" in answer.dims:
            content["simulation"] = answer["simulation"].values
        emit_json({**content, "attributes": answer.attrs})
        return
    many = "simulation" in answer.dims
    rows = answer[names].to_dataframe().reset_index()
    units = units_of(answer)
    heat, digits = units.heat_flux, 1 if units.dimensional else 4
    fluxes = ("surface flux", "core flux") if units.dimensional else ("Nusselt number above", "below")
    header = [*(["set"] if many else []), "time", "mean temperature", *fluxes, "in range"]
    shown = [*([""] if many else []), units.unit("time"), units.unit("temperature"), heat.unit, heat.unit, ""]
    lines: list[list[Any]] = [
        [*([row.simulation] if many else []), float(row.time), round(float(row.mean_temperature), digits),
         round(heat.factor * float(row.surface_heat_flux), 2),
         round(heat.factor * float(row.core_mantle_boundary_heat_flux), 2),
         "yes" if row.in_range else "no"]
        for row in rows.itertuples()
    ]  # fmt: skip
    typer.echo(table(header, [shown, *lines]))


@app.command()
def inspect(bundle: Bundle, as_json: Json = False) -> None:
    """Tell what a bundle is: origin, training range, measures, limits.

    Example: surrogate inspect results/default/surrogate
    """
    from surrogate.query import Surrogate

    surrogate = Surrogate.load(bundle)
    content, units = surrogate.inspect(), surrogate.units
    if as_json:
        emit_json(content)
        return
    typer.echo(f"{content['bundle']}  ({content['bytes'] / 1e6:.1f} MB, digest {content['digest'][:12]})")
    typer.echo(
        f"grid {content['cells'][0]} x {content['cells'][1]} cells, {content['time']['first']:g} .. "
        f"{units.time.text(content['time']['last'])}; runs: "
        + ", ".join(f"{count} {name}" for name, count in content["runs"].items())
    )
    typer.echo(f"methods: {', '.join(content['methods'])}")
    rows = [[name, entry["low"], entry["high"], entry["unit"]] for name, entry in content["parameters"].items()]
    typer.echo("\n" + table(["parameter", "low", "high", "unit"], rows))
    methods = (content["metrics"] or {}).get("methods", {})
    scores = [
        [name, float(entry[units.accuracy]["mean"]), float(entry["lateral_anomaly_error"]["mean"])]
        for name, entry in methods.items()
        if units.accuracy in entry and "lateral_anomaly_error" in entry
    ]
    if scores:
        typer.echo("\n" + table(["on unseen runs", f"{units.accuracy_title}, %", "lateral anomaly error"], scores))
    inside: list[list[str]] = []
    for method, entry in (content["calibration"] or {}).items():
        for name, shares in entry.get("coverage", {}).items():
            spans = ", ".join(f"{100 * share:.1f} of {100 * float(level):g} %" for level, share in shares.items())
            inside.append([method, name.replace("_", " "), spans])
    if inside:
        typer.echo("\n" + table(["intervals", "on unseen runs", "hold"], inside))
    typer.echo("\nlimits")
    for line in content["limits"]:
        typer.echo(f"  - {line}")
    typer.echo(f"\nmade by surrogate {content['provenance'].get('code_version', '?')}")


@app.command()
def verify(bundle: Bundle, as_json: Json = False) -> None:
    """Check every file of a bundle against its checksum and recompute its stored example.

    Example: surrogate verify results/default/surrogate
    """
    from surrogate.query import Surrogate

    surrogate = Surrogate.load(bundle)
    load_networks_quietly()
    result = surrogate.verify()
    if as_json:
        emit_json(result)
    else:
        typer.echo(f"{result['files']} files unchanged")
        for name, entry in result["example"].items():
            word = "reproduced" if entry["passed"] else "NOT reproduced"
            typer.echo(f"{name}: example {word} (differs by {entry['difference']:.2g}, {entry['tolerance']:g} allowed)")
    if not result["passed"]:
        raise typer.Exit(FAILED)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="NetCDF files of runs or predictions.")],
    conductivity: Annotated[str, typer.Option(help="Law of the simulations: olivine or constant.")] = "olivine",
    as_json: Json = False,
) -> None:
    """Hold temperature fields against what every thermal evolution must keep (the physics report card).

    Example: surrogate check run.nc
    """
    from surrogate.diagnostics import check as report_card
    from surrogate.fields import open_netcdf, validate

    cards = {}
    for path in files:
        with open_netcdf(path) as dataset:
            validate(dataset, str(path))
            if conductivity not in ("constant", "olivine"):
                raise ValueError(f"--conductivity {conductivity!r}: expected olivine or constant")
            cards[str(path)] = report_card(dataset.load(), conductivity=conductivity)  # type: ignore[arg-type]
    failed = any(passed is False for card in cards.values() for passed in card["passed"].values())
    if as_json:
        emit_json(cards)
    else:
        for name, card in cards.items():
            typer.echo(name)
            for key, value in card.items():
                if isinstance(value, int | float):
                    mark = ("ok" if card["passed"][key] else "FAILED") if key in card["passed"] else ""
                    typer.echo(f"  {key.replace('_', ' '):<34} {value:>12.5g}  {mark}".rstrip())
    if failed:
        raise typer.Exit(FAILED)


@app.command()
def export(
    bundle: Bundle,
    output: Annotated[Path, typer.Argument(metavar="PATH", help="Folder (savedmodel) or *.onnx file to write.")],
    form: Annotated[str, typer.Option("--format", help="savedmodel or onnx.")] = "savedmodel",
) -> None:
    """Write FNN and decoder as one graph for other programs: parameters and time in, temperature out.

    Example: surrogate export demo surrogate.onnx --format onnx
    """
    from surrogate.query import Surrogate

    load_networks_quietly()
    surrogate = Surrogate.load(bundle)
    path, units = surrogate.export(output, form), [f"{entry.name} [{entry.unit}]" for entry in surrogate.space]
    say(f"{path}: input parameters_and_time (n, {len(units) + 1}): {', '.join(units)}, {surrogate.units.time.label()}")


@app.command()
def pack(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a bundle.")],
    output: Annotated[Path, typer.Argument(metavar="ZIP", help="File to write.")],
    bits: Annotated[
        int | None, typer.Option(min=4, max=24, help="Round the weights to so many significant bits; 7 is a third.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What a bundle with rounded weights calls itself.")] = None,
) -> None:
    """Write a bundle folder as one zip file, which every command reads too.

    Example: surrogate pack results/default/surrogate surrogate.zip
    """
    from surrogate.query import QueryError, pack_rounded
    from surrogate.query import pack as write

    if bits is None:
        if name is not None:
            raise QueryError("--name: only a bundle with rounded weights (--bits) is another bundle")
        write(bundle, output)
    else:
        load_networks_quietly()
        pack_rounded(bundle, output, bits, name)
    say(f"{output}: {output.stat().st_size / 1e6:.1f} MB")


@app.command()
def convert(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Folder or zip file of a bundle of format 2.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Folder to write, or a zip file (*.zip).")],
) -> None:
    """Write a bundle of an older format in that of this version; its answers stay the same to the bit.

    Example: surrogate convert old.zip new.zip
    """
    from surrogate.query import convert as write

    say(f"{write(old, new)}: opens with this version; the old bundle is as it was")


@app.command()
def speed(
    bundle: Bundle,
    sets: Annotated[int, typer.Option(min=1, help="Parameter sets of the batch.")] = 256,
    repeats: Annotated[int, typer.Option(min=1, help="Repetitions; the median counts.")] = 7,
    as_json: Json = False,
) -> None:
    """Time the answers of a bundle on this machine.

    Example: surrogate speed results/default/surrogate
    """
    from surrogate.query.speed import measure

    load_networks_quietly()
    result = measure(bundle, sets, repeats)
    if as_json:
        emit_json(result)
    else:
        typer.echo(table(["question", "ms"], [[name, round(1e3 * value, 3)] for name, value in result.items()]))


@app.command()
def explore(
    bundle: Annotated[
        str, typer.Argument(metavar="[BUNDLE]", help="Folder or zip file of a bundle, or the name of a run.")
    ] = "demo",
    corpus: Annotated[
        Path | None, typer.Option(help="Store of simulations to compare with. Default: the one beside the bundle.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 5006,
    address: Annotated[str, typer.Option(help="Who may connect; the default is this machine only.")] = "127.0.0.1",
) -> None:
    """Open a web page that asks a surrogate: sliders, pictures, heat fluxes, intervals, simulations beside them.

    Example: surrogate explore results/default/surrogate --corpus results/default/corpus.zarr
    """
    from surrogate.explore import serve

    load_networks_quietly()
    serve(bundle, corpus, port, address, say)
