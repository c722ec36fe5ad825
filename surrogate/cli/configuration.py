"""Commands about the configuration: schema, check, default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surrogate.cli.output import Json, emit_json

app = typer.Typer(help="The configuration of a pipeline run.", no_args_is_help=True)


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration.

    Example: surrogate config schema > config.schema.json
    """
    from surrogate.config import schema as make

    emit_json(make())


@app.command()
def default() -> None:
    """Print the documented default configuration.

    Example: surrogate config default > config/mine.yaml
    """
    from surrogate.config import documented_default

    typer.echo(documented_default(), nl=False)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file.")],
    as_json: Json = False,
) -> None:
    """Check a configuration; every wrong key is named.

    Example: surrogate config check config/config.yaml
    """
    from surrogate.config import load

    settings = load(file)
    if as_json:
        emit_json(settings.model_dump(mode="json"))
    else:
        typer.echo(f"{file}: valid; results go to results/{settings.name}/")
