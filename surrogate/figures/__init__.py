"""Pictures made from data alone: the catalogue of figures, by name, and the functions that draw them."""

from surrogate.figures.catalogue import (
    CATALOGUE,
    CURVES,
    LANDING,
    asked_for,
    draw_figure,
    figure_names,
    file_names,
    make_figure,
    split_name,
)

__all__ = [
    "CATALOGUE",
    "CURVES",
    "LANDING",
    "asked_for",
    "draw_figure",
    "figure_names",
    "file_names",
    "make_figure",
    "split_name",
]
