"""Commands that go from what is observed to the parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from surrogate.cli.output import FAILED, Json, emit_json, load_networks_quietly, progress, ready_for, say, table
from surrogate.cli.query import Bundle

app = typer.Typer()


@app.command()
def observations() -> None:
    """Print what is known of Mars, as a file for `surrogate infer`.

    Example: surrogate observations > mars.yaml
    """
    from surrogate.inference import mars_text

    typer.echo(mars_text(), nl=False)


@app.command()
def infer(
    bundle: Bundle,
    observed: Annotated[
        str, typer.Option("--observations", help="YAML file as `surrogate observations` prints it, or mars.")
    ] = "mars",
    chosen: Annotated[str, typer.Option("--set", help="Set of its observations that counts.")] = "default",
    method: Annotated[str, typer.Option(help="One that `surrogate inspect` lists.")] = "fnn",
    points: Annotated[int, typer.Option(help="Points of the trained box, a power of two.")] = 131072,
    solver: Annotated[str, typer.Option(help="reference: even points; flow: points of a flow; auto.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the points and the draws.")] = 0,
    simulations: Annotated[
        int, typer.Option("--confirm", min=0, help="Simulate so many draws and say how many meet the observations.")
    ] = 0,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Configuration whose simulator confirms; default that of the bundle."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="NetCDF file of the posterior.")] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Also draw the parameters that fit (png, pdf, svg).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the parameters that fit observations of a planet, and how much each datum tells.

    Exit code 1 if a check fails.

    Example: surrogate infer demo --output posterior.nc --picture corner.png
    """
    from surrogate.config import load_config
    from surrogate.inference import confirm, posterior
    from surrogate.query import Surrogate
    from surrogate.settings import EvolutionSettings

    for path, suffixes in ((output, (".nc",)), (picture, (".png", ".pdf", ".svg"))):
        if path is not None:
            ready_for(path, *suffixes)
    settings = None if config is None else load_config(config).simulator
    if settings is not None and not isinstance(settings, EvolutionSettings):
        raise ValueError(f"{config}: simulator.model: expected evolution, got {settings.model}")
    surrogate = Surrogate.load(bundle)
    load_networks_quietly()
    how: dict[str, Any] = {"chosen": chosen, "method": method, "points": points, "seed": seed, "solver": solver}
    answer = posterior(surrogate, observed, **how)
    summary = answer.summary()
    if output is not None:
        answer.write(output)
        say(f"{output}: draws, quantiles, bits, subsets and histories")
    if picture is not None:
        from surrogate.config import FigureSettings
        from surrogate.figures import make_figure

        make_figure("posterior", {"posterior": answer.dataset()}, FigureSettings(), picture)
        say(f"{picture}: the parameters that fit")
    if simulations:
        runs = confirm(answer, simulations, settings, progress("confirm"))
        summary["confirmed"] = {"simulations": simulations, "meet_all": int(runs["meets_all"].sum())}
        summary["confirmed"] |= {
            entry.name: int(runs["met"].str.contains(entry.name, regex=False).sum()) for entry in answer.observations
        }
    if as_json:
        emit_json(summary)
    else:
        rows = [[name, *entry.values()] for name, entry in summary["parameters"].items()]
        typer.echo("\n".join(summary["observations"]))
        typer.echo(table(["parameter", "unit", "5 %", "median", "95 %", "bits", "error"], rows))
        typer.echo(
            f"ln Z = {answer.log_evidence:.4f} +- {answer.log_evidence_error:.4f}, {answer.bits:.3f} bits in all"
        )
        for name, count in summary.get("confirmed", {}).items():
            typer.echo(f"confirm: {name.replace('_', ' ')}: {count}")
        for check in answer.checks:
            typer.echo(f"{'ok' if check.passed else 'FAILED':<8}{check.name}: {check.found}")
        for line in answer.observations.caveats:
            say(f"note: {line}")
    if not answer.passed:
        raise typer.Exit(FAILED)
