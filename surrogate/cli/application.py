"""The application: its commands, and how errors end.

Nothing heavy is imported here: ``surrogate --help`` answers without TensorFlow, Numba or xarray.
"""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from surrogate.cli import corpus, inference, project, query, simulator
from surrogate.cli.output import BAD_INPUT, FAILED, INTERRUPTED, TERMINATED, Json, emit_json, say

app = typer.Typer(
    name="surrogate",
    help="Surrogates of 2D mantle-convection simulations: simulate, ingest, predict, check.",
    epilog="Exit codes: 0 all is well, 1 a check failed, 2 the input cannot be used, 130 interrupted, 143 terminated.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
configuration = typer.Typer(help="The configuration of a pipeline run.", no_args_is_help=True)

app.add_typer(query.app)
app.add_typer(inference.app)
app.add_typer(simulator.app)
project.register(app)
app.add_typer(corpus.app, name="corpus")
app.add_typer(configuration, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        from surrogate.files import code_version

        typer.echo(f"surrogate {code_version()}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


@app.command("check-environment")
def environment(
    results: Annotated[Path, typer.Option(help="Folder that is to hold results.")] = Path("results"),
    as_json: Json = False,
) -> None:
    """Look at this machine and its settings: versions, backend, GPU, caches, threads, file locks, locale, limits.

    Example: surrogate check-environment
    """
    from dataclasses import asdict

    from surrogate.environment import check_environment

    checks = check_environment(results)
    if as_json:
        emit_json([asdict(check) for check in checks])
    else:
        for check in checks:
            typer.echo(f"{'ok' if check.passed else 'FAILED':<8}{check.name:<17}{check.found}")
            if check.advice:
                typer.echo(f"{'':<25}{check.advice}")
    if not all(check.passed for check in checks):
        raise typer.Exit(FAILED)


@configuration.command()
def schema() -> None:
    """Print the JSON schema of the configuration.

    Example: surrogate config schema > config.schema.json
    """
    from surrogate.config import schema as make

    emit_json(make())


@configuration.command()
def default() -> None:
    """Print the documented default configuration.

    Example: surrogate config default > config/mine.yaml
    """
    from surrogate.config import documented_default

    typer.echo(documented_default(), nl=False)


@configuration.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file.")],
    as_json: Json = False,
) -> None:
    """Check a configuration; every wrong key is named.

    Example: surrogate config check config/config.yaml
    """
    from surrogate.config import load_config

    settings = load_config(file)
    if as_json:
        emit_json(settings.effective())
    else:
        typer.echo(f"{file}: valid; results go to results/{settings.name}/")


def main(arguments: list[str] | None = None) -> None:
    """Run the command; ends the process with its exit code.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # the locale of a batch job is often "C"
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    with warnings.catch_warnings(), _terminated_as_interrupted():
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        warnings.showwarning = _show_warning
        try:
            app(args=arguments, prog_name="surrogate")
        except Exception as error:
            _end(error)
        except (KeyboardInterrupt, SystemExit) as end:
            code = end.code if isinstance(end, SystemExit) else INTERRUPTED
            if code in (INTERRUPTED, TERMINATED):
                say(f"surrogate: {'interrupted' if code == INTERRUPTED else 'terminated'}; files are whole or absent")
            sys.exit(code)


def _show_warning(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    say(f"surrogate: warning: {message}")


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end what runs inside as Ctrl+C does, so that it cleans up after itself."""

    def end(*_: Any) -> NoReturn:
        raise SystemExit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():  # only there can signals be caught
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(error: Exception) -> NoReturn:
    """End with one line if the user can do something about an error; a bug keeps its traceback."""
    from surrogate.environment import explain

    advice = explain(error)
    if advice is None and not _raised_on_purpose(error):
        raise error
    lines = str(error).strip().splitlines() or [type(error).__name__]
    for line in lines[:-1]:
        say(f"surrogate: error: {line}")
    say(f"surrogate: error: {lines[-1]}" + ("" if advice is None else f": {advice}"))
    sys.exit(BAD_INPUT)


def _raised_on_purpose(error: Exception) -> bool:
    """Tell whether an exception describes bad input.

    The package raises exceptions of its own for it; a ValueError and the like counts if a module of the package raised
    it, and the operating system's always.
    """
    if isinstance(error, OSError | MemoryError) or type(error).__module__.startswith("surrogate."):
        return True
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    module = frame.tb_frame.f_globals.get("__name__", "") if frame is not None else ""
    return isinstance(error, ValueError | RuntimeError | ImportError) and module.startswith("surrogate.")
