"""One run in motion: truth, predictions, and their errors.

Functions take `truth`, one run, `predictions`, method to the same run as predicted, and the `title` of every frame.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from surrogate.fields import geometry_of, units_of
from surrogate.figures.field import difference_bar, draw_field, temperature_bar
from surrogate.figures.style import (
    DIFFERENCE,
    PAGE,
    TEMPERATURE,
    column_heading,
    difference_norm,
    new_figure,
    styled,
    temperature_norm,
)
from surrogate.files import atomic
from surrogate.methods import title_of

FRAMES_PER_SECOND = 10


@styled
def frames(
    truth: xr.Dataset, predictions: Mapping[str, xr.Dataset], title: str = "", dots_per_inch: int = 110
) -> list[np.ndarray]:
    """Draw one picture per snapshot of a run, each of shape (height, width, 3), bytes."""
    return list(_frames(truth, predictions, title, dots_per_inch))


def _frames(
    truth: xr.Dataset, predictions: Mapping[str, xr.Dataset], title: str, dots_per_inch: int
) -> Iterator[np.ndarray]:
    geometry, units = geometry_of(truth), units_of(truth)
    true = truth["temperature"].values.astype(float)
    predicted = [entry["temperature"].values.astype(float) for entry in predictions.values()]
    names = [title_of(name) for name in predictions]
    series = [true, *predicted, *(entry - true for entry in predicted)]
    headings = ["simulation", *names, *(f"{name} - simulation" for name in names)]
    temperature, difference = (
        temperature_norm(true, *predicted, units=units),
        difference_norm(*series[1 + len(names) :]),
    )
    figure = new_figure(PAGE, PAGE / len(series) * geometry.slenderness + 23)
    figure.set_dpi(dots_per_inch)
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(series))
    meshes = []
    for number, (panel, values) in enumerate(zip(axes, series, strict=True)):
        error = number > len(names)
        norm, colours = (difference, DIFFERENCE) if error else (temperature, TEMPERATURE)
        meshes.append(draw_field(panel, values[0], geometry, norm, colours))
        column_heading(panel, headings[number])
    temperature_bar(figure, list(axes[: 1 + len(names)]), temperature, units, location="bottom", shrink=0.6, aspect=35)
    difference_bar(figure, list(axes[1 + len(names) :]), difference, units, location="bottom", shrink=0.8, aspect=25)
    caption = figure.suptitle(" ")
    for number, time in enumerate(truth["time"].values):
        for mesh, values in zip(meshes, series, strict=True):
            mesh.set_array(geometry.to_sides(values[number]))
        caption.set_text(f"{title + ', ' if title else ''}{units.time.text(time)}")
        canvas.draw()  # type: ignore[no-untyped-call]
        if number == 0:
            figure.set_layout_engine("none")  # the parts must not move from frame to frame
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def animate(
    truth: xr.Dataset,
    predictions: Mapping[str, xr.Dataset],
    paths: Sequence[str | Path],
    title: str = "",
    comment: str = "",
    dots_per_inch: int = 110,
) -> None:
    """Write an animation of a run: GIF, or MP4 where ffmpeg is installed, by the suffixes of `paths`.

    Parameters
    ----------
    paths : sequence of path
        Each ends in .gif or .mp4; the frames are drawn once.
    comment : str
        Goes into the file.

    Raises
    ------
    ValueError
        For another suffix, or for .mp4 without ffmpeg.
    """
    files = [Path(path) for path in paths]
    for path in files:
        if path.suffix not in WRITERS:
            raise ValueError(f"{path}: an animation ends in .gif or .mp4")
        if path.suffix == ".mp4" and shutil.which("ffmpeg") is None:
            raise ValueError(f"{path.name}: ffmpeg is not installed; choose .gif")
    pictures = frames(truth, predictions, title, dots_per_inch)
    for path in files:
        with atomic(path) as temporary:
            WRITERS[path.suffix](pictures, temporary, comment)


def _write_gif(pictures: list[np.ndarray], path: Path, comment: str) -> None:
    # One palette for all frames, so that nothing flickers: that of the two colour maps, evenly, and greys for the rest.
    # A palette of the commonest colours has bands in the rare ones, which are the plumes.
    colours = [colour_map(np.linspace(0, 1, 104))[:, :3] for colour_map in (TEMPERATURE, DIFFERENCE)]
    greys = np.repeat(np.append(np.linspace(0, 0.9, 255 - 2 * 104), 1.0)[:, None], 3, axis=1)  # white has no neighbour
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.round(255 * np.concatenate([*colours, greys])).astype(np.uint8).tobytes())
    images = [Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    images[0].save(
        path,
        save_all=True,
        append_images=images[1:],
        loop=0,
        optimize=False,
        duration=1000 // FRAMES_PER_SECOND,
        comment=comment.encode(),
    )


def _write_mp4(pictures: list[np.ndarray], path: Path, comment: str) -> None:
    height, width = (side - side % 2 for side in pictures[0].shape[:2])  # H.264 wants even sides
    command = [
        "ffmpeg",
        "-loglevel",
        "error",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{width}x{height}",
        "-r",
        str(FRAMES_PER_SECOND),
        "-i",
        "-",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-crf",
        "18",
        "-movflags",
        "+faststart",
        "-metadata",
        f"comment={comment}",
        "-y",
        str(path),
    ]
    content = b"".join(picture[:height, :width].tobytes() for picture in pictures)
    subprocess.run(command, input=content, check=True)


WRITERS = {".gif": _write_gif, ".mp4": _write_mp4}
"""Suffix to what encodes the frames."""
