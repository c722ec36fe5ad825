"""The server of the explorer."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from surrogate.explore.explorer import ExploreError, Explorer
from surrogate.explore.page import Page
from surrogate.explore.pictures import toolkit
from surrogate.query import OutOfRangeWarning, Surrogate

PORT, ADDRESS = 5006, "127.0.0.1"


def is_loopback(address: str) -> bool:
    """Tell whether an address is reached from this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def open_explorer(bundle: str, corpus: str | Path | None = None) -> Explorer:
    """Open a bundle and the simulations to compare with.

    Parameters
    ----------
    bundle : str
        What :meth:`surrogate.Surrogate.load` takes.
    corpus : path, optional
        Store of simulations. Default: ``corpus.zarr`` beside the bundle, where the pipeline leaves it, if it can be
        used.

    Raises
    ------
    FileNotFoundError, BundleError, CorpusError
        If either cannot be read.
    ExploreError
        If the corpus is of another planet.
    """
    from surrogate.corpus.store import open_corpus

    surrogate = Surrogate.load(bundle)
    if corpus is not None:
        return Explorer(surrogate, open_corpus(corpus))
    beside = Path(surrogate.inspect()["bundle"]).parent / "corpus.zarr"
    if beside.is_dir():
        try:
            return Explorer(surrogate, open_corpus(beside))
        except ValueError as error:  # nobody asked for it by name
            warnings.warn(f"no simulations are shown: {error}", stacklevel=2)
    return Explorer(surrogate)


def make_server(explorer: Explorer, port: int = PORT, address: str = ADDRESS) -> Any:
    """Bind a server that makes a page for every visitor; it does not listen before its loop runs.

    Parameters
    ----------
    explorer : Explorer
        Shared by all sessions.
    port : int
        0 takes a free one.
    address : str

    Returns
    -------
    bokeh.server.server.Server
        Its ``port`` is the one bound.

    Raises
    ------
    ExploreError
        If the extra ``explore`` is not installed, or the port or address cannot be bound.
    """
    pn = toolkit("panel")
    application = toolkit("panel.io.application").Application(_handler(explorer))
    try:
        port = port or _free_port(address)
        # A page of another site that a visitor has open may not connect.
        hosts = [f"localhost:{port}", f"127.0.0.1:{port}"] if is_loopback(address) else ["*"]
        return pn.io.server.get_server(
            application,
            port=port,
            address=address,
            websocket_origin=hosts,
            show=False,
            start=False,
            location=False,
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ExploreError(
                f"port {port} of {address} is in use (another explorer?); --port takes another, --port 0 any free one"
            ) from None
        raise ExploreError(f"cannot listen on {address}, port {port}: {error.strerror or error}") from None


def _handler(explorer: Explorer) -> Any:
    """Make what fills the document of a new session: in a thread, so that other sessions go on meanwhile."""
    handler = toolkit("bokeh.application.handlers.handler").Handler
    set_document = toolkit("panel.io.state").set_curdoc
    # One thread for the answers to all sessions: the networks use all cores as it is. Pages do not keep it waiting.
    answers, pages = (ThreadPoolExecutor(1, thread_name_prefix=name) for name in ("answers", "pages"))

    def fill(document: Any) -> None:
        with set_document(document), document.models.freeze():  # else Bokeh looks through all models after each one
            template = Page(explorer, answers, document).layout.template
            template.server_doc(document, title="surrogate explorer", location=False)

    class PageHandler(handler):  # type: ignore[misc, valid-type]
        """Bokeh waits for this hook without blocking; its `modify_document` would hold up the loop of the server."""

        async def on_session_created(self, session_context: Any) -> None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(pages, fill, session_context._document)

        def modify_document(self, doc: Any) -> None:
            """Nothing is left to do."""

    return PageHandler()


def _free_port(address: str) -> int:
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as found:
        return int(found.getsockname()[1])


def greeting(address: str, port: int) -> list[str]:
    """Say where the page is, and who can reach it.

    >>> greeting("127.0.0.1", 5006)
    ['http://127.0.0.1:5006   (stop with Ctrl+C)']
    """
    host = f"[{address}]" if ":" in address else address
    lines = [f"http://{host}:{port}   (stop with Ctrl+C)"]
    if not is_loopback(address):
        lines.insert(0, f"warning: {address} is not loopback: everyone who reaches this machine can use the page")
    return lines


def serve(
    bundle: str,
    corpus: str | Path | None = None,
    port: int = PORT,
    address: str = ADDRESS,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the explorer until interrupted.

    Parameters
    ----------
    bundle, corpus
        As for :func:`open_explorer`.
    port, address
        As for :func:`make_server`.
    say : callable
        Takes one line at a time for a person to read.
    """
    # Extrapolation is said on the page.
    warnings.simplefilter("ignore", OutOfRangeWarning)
    explorer = open_explorer(bundle, corpus)
    server = make_server(explorer, port, address)
    say("reading the networks ...")
    explorer.warm_up()
    for line in greeting(address, server.port):
        say(line)
    server.start()
    server.io_loop.start()
