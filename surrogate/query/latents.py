"""Fields to latents and back, with the names of their dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from surrogate.annulus import Annulus
from surrogate.query.arguments import QueryError
from surrogate.query.engine import Engine


def _leading(count: int) -> tuple[str, ...]:
    return tuple(f"dim_{number}" for number in range(count))


def _coordinates(source: xr.DataArray, kept: tuple[Any, ...]) -> dict[Any, Any]:
    return {name: values for name, values in source.coords.items() if set(values.dims) <= set(kept)}


def encoded(engine: Engine, temperature: Any) -> xr.DataArray:
    """Compress fields, shape (..., radius, angle), K; see :meth:`surrogate.query.Surrogate.encode`."""
    if isinstance(temperature, xr.Dataset):
        temperature = temperature["temperature"]
    values, shape = np.asarray(temperature), engine.autoencoder.shape
    if values.shape[-2:] != shape:
        raise QueryError(f"temperature: expected shape (..., {shape[0]}, {shape[1]}), got {values.shape}")
    if not np.all(np.isfinite(values)):
        raise QueryError("temperature: expected finite values in K")
    latents = engine.autoencoder.encode(values)
    named = isinstance(temperature, xr.DataArray)
    kept = temperature.dims[:-2] if named else _leading(latents.ndim - 1)
    coordinates = _coordinates(temperature, kept) if named else {}
    about = {"units": "1", "long_name": "latent variables of the autoencoder"}
    return xr.DataArray(latents, coordinates, (*kept, "component"), "latent", about)


def decoded(engine: Engine, annulus: Annulus, latents: Any) -> xr.DataArray:
    """Expand latents, shape (..., component); see :meth:`surrogate.query.Surrogate.decode`."""
    try:
        values = engine.decode(np.asarray(latents))
    except ValueError as error:
        raise QueryError(str(error)) from None
    named = isinstance(latents, xr.DataArray)
    kept = latents.dims[:-1] if named else _leading(values.ndim - 2)
    grid = {"radius": annulus.radius, "angle": annulus.angle}
    coordinates = {**grid, **(_coordinates(latents, kept) if named else {})}
    about = {"units": "K", "long_name": "temperature"}
    return xr.DataArray(values, coordinates, (*kept, "radius", "angle"), "temperature", about)
