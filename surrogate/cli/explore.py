"""The command that opens the explorer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surrogate.cli.output import load_networks_quietly, say


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(explore)


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
