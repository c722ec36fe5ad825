"""A project without a clone: the workflow that comes with the package, and the command that starts to use it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from surrogate.files import atomic

_SNAKEFILE = """\
# The pipeline of the package `surrogate`: `snakemake --cores 2` runs it all, `snakemake --cores 2 figures` up to the
# figures. Rules of your own may follow below.
from surrogate import snakefile


configfile: "config.yaml"


module surrogate:
    snakefile:
        snakefile()
    config:
        config


use rule * from surrogate
"""


class ProjectError(ValueError):
    """A project cannot be written where it was asked for."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("init")(init)


def snakefile() -> str:
    """Return the path of the workflow's Snakefile: in a wheel it lies inside the package, in a clone beside it.

    Examples
    --------
    >>> from surrogate import snakefile
    >>> snakefile().endswith("Snakefile")
    True
    """
    return str(_pipeline() / "Snakefile")


def _pipeline() -> Path:
    package = Path(__file__).parents[1]
    for folder in (package / "pipeline", package.parent):
        if (folder / "Snakefile").is_file() and (folder / "workflow").is_dir():
            return folder
    raise ProjectError(f"{package}: this installation of surrogate lacks its workflow; install the wheel again")


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Is made if absent; its name is the project's.")],
    profile: Annotated[
        list[str] | None, typer.Option(help="Also copy this profile (slurm, gpu); may be repeated, and come later.")
    ] = None,
) -> None:
    """Start a project: configuration, Snakefile and profile in a folder, in which `snakemake --cores 2` runs it all.

    What is there already is never overwritten. In a folder that has a Snakefile, --profile adds to it.

    Example: surrogate init mine --profile slurm
    """
    from surrogate.config import documented_default, parse

    profiles = _pipeline() / "profiles"
    wanted = list(profile or [])
    files = {}
    if not (wanted and (folder / "Snakefile").exists()):
        name = parse({"name": folder.resolve().name}).name
        files["config.yaml"] = documented_default().replace('name: "default"', f'name: "{name}"', 1)
        files["Snakefile"] = _SNAKEFILE
        wanted = ["default", *wanted]
    for name in dict.fromkeys(wanted):
        if not (profiles / name).is_dir():
            known = ", ".join(sorted(path.name for path in profiles.iterdir()))
            raise ProjectError(f"--profile {name}: no such profile; there are {known}")
        for path in sorted((profiles / name).iterdir()):
            files[f"profiles/{name}/{path.name}"] = path.read_text(encoding="utf-8")
    for name in files:
        if (folder / name).exists():
            raise ProjectError(f"{folder / name} exists already; nothing was written")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with atomic(folder / name) as path:
            path.write_text(text, encoding="utf-8")
        typer.echo(folder / name)
