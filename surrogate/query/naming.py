"""Questions that name the parameters of their bundle: signature, completion and help of a surrogate that is loaded."""

from __future__ import annotations

import inspect
from textwrap import indent
from types import FunctionType
from typing import Any, TypeVar

from surrogate.parameters import Parameter, ParameterSpace

Asked = TypeVar("Asked")


def naming(kind: type[Asked], space: ParameterSpace) -> type[Asked]:
    """Return a subclass whose methods have the parameters in place of ``**values``; it does what `kind` does.

    The class itself keeps its plain arguments, for type checkers and editors.

    Examples
    --------
    >>> class Plain:
    ...     def predict(self, time=None, **values): "Predict."; return values
    >>> Named = naming(Plain, ParameterSpace([Parameter("rayleigh_number", low=1e4, high=1e7)]))
    >>> inspect.signature(Named().predict)
    <Signature (time=None, *, rayleigh_number: Any = None)>
    >>> Named().predict(rayleigh_number=1e6)
    {'rayleigh_number': 1000000.0}
    """
    kind = getattr(kind, "_unnamed", kind)  # a loaded surrogate may load another one
    methods: dict[str, Any] = {"__doc__": kind.__doc__, "__module__": kind.__module__, "_unnamed": kind}
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        signature = inspect.signature(method)
        plain = [entry for entry in signature.parameters.values() if entry.kind is not entry.VAR_KEYWORD]
        if name.startswith("_") or "values" not in signature.parameters or len(plain) == len(signature.parameters):
            continue
        named = FunctionType(method.__code__, method.__globals__, name, method.__defaults__, method.__closure__)
        named.__kwdefaults__, named.__annotations__ = method.__kwdefaults__, method.__annotations__
        named.__qualname__, named.__module__ = method.__qualname__, method.__module__
        keywords = [
            inspect.Parameter(entry.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Any)
            for entry in space
        ]
        named.__signature__ = signature.replace(parameters=[*plain, *keywords])  # type: ignore[attr-defined]
        about = "\n".join(map(_entry, space))
        title = "Parameters of this surrogate"
        named.__doc__ = f"{inspect.cleandoc(method.__doc__ or '')}\n\n{title}\n{'-' * len(title)}\n{about}\n"
        methods[name] = named
    named_kind: type[Asked] = type(kind.__name__, (kind,), methods)
    named_kind.__qualname__ = kind.__qualname__
    return named_kind


def _entry(parameter: Parameter) -> str:
    """Lines of a docstring: name, trained range, unit, what it is."""
    lines = [f"{parameter.name} : {parameter.span}"]
    if parameter.description:
        lines.append(indent(f"{parameter.description[:1].upper()}{parameter.description[1:]}.", "    "))
    return "\n".join(lines)
