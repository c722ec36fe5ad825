"""`import surrogate` is enough for `keras.saving.load_model` to open a model file, before or after `import keras`.

Keras looks up the layers that a file names among those that were registered, and has no place where a package could
announce its own; importing Keras to register them would make every `import surrogate` wait for it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

_ARCHITECTURES = "surrogate.learning.networks"
"""Importing it registers the layers."""


def register_layers() -> None:
    """Register the layers with Keras now if it is there, else as soon as anybody has imported it."""
    if "keras" in sys.modules:
        import_module(_ARCHITECTURES)
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


class _KerasFinder(MetaPathFinder):
    """Finds Keras as everybody does, once, and registers the layers when it was executed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                import_module(_ARCHITECTURES)

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec
