"""The application: its commands, and how errors end.

Nothing heavy is imported here: ``surrogate --help`` answers without TensorFlow, Numba or xarray.
"""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, Any

import typer

from surrogate.cli import configuration, corpus, explore, project, query, simulation, verification
from surrogate.cli.output import BAD_INPUT, INTERRUPTED, say

app = typer.Typer(
    name="surrogate",
    help="Surrogates of 2D mantle-convection simulations: simulate, ingest, predict, check.",
    epilog="Exit codes: 0 all is well, 1 a check failed, 2 the input cannot be used, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

query.register(app)
explore.register(app)
simulation.register(app)
verification.register(app)
project.register(app)
app.add_typer(corpus.app, name="corpus")
app.add_typer(configuration.app, name="config")


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


def _show_warning(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    say(f"surrogate: warning: {message}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command; ends the process with its exit code.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.
    """
    from surrogate.cli.errors import USER_ERRORS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.showwarning = _show_warning
        try:
            app(args=arguments, prog_name="surrogate")
        except USER_ERRORS as error:
            if not _ours(error):
                raise
            text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
            for line in text.strip().splitlines() or [type(error).__name__]:
                say(f"surrogate: error: {line}")
            sys.exit(BAD_INPUT)
        except (KeyboardInterrupt, SystemExit) as end:
            if isinstance(end, SystemExit) and end.code != INTERRUPTED:
                raise
            say("surrogate: interrupted; files are whole or absent")
            sys.exit(INTERRUPTED)


def _ours(error: BaseException) -> bool:
    from surrogate.cli.errors import is_user_error

    return is_user_error(error)
