"""A running explorer for tests: the tiny bundle, the corpus it was trained on, a server in a thread of its own."""

import asyncio
import threading
from contextlib import contextmanager
from typing import Any

from learning_examples import made_up_corpus


@contextmanager
def running(explorer: Any) -> Any:
    """Yield the address of the page while it is served."""
    from surrogate.explore.serving import make_server

    ready, found = threading.Event(), {}

    def work() -> Any:
        asyncio.set_event_loop(asyncio.new_event_loop())
        try:
            found["server"] = make_server(explorer, port=0)
            found["server"].start()
        except BaseException as error:
            found["error"] = error
            ready.set()
            return
        ready.set()
        found["server"].io_loop.start()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(600)
    if "error" in found:
        raise found["error"]
    server = found["server"]
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:

        def stop() -> Any:
            server.stop()
            server.io_loop.stop()

        server.io_loop.add_callback(stop)
        thread.join(20)


def tiny_explorer(surrogate: Any, corpus: bool = True) -> Any:
    """Explorer on the tiny bundle, beside the corpus of its training."""
    from surrogate.explore import Explorer

    explorer = Explorer(surrogate, made_up_corpus() if corpus else None)
    explorer.warm_up()
    return explorer
