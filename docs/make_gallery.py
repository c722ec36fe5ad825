"""Copy the figures of a pipeline run into the gallery of docs/figures.md, at the width of a page.

python docs/make_gallery.py results/default
"""

import sys
from pathlib import Path

from PIL import Image

WIDTH = 900
"""Pixels."""

NAMES = (
    "concept", "coverage", "losses", "reconstruction_1", "examples_1", "examples_2", "evolution_fnn_1",
    "evolution_lstm_1", "extremes", "accuracy_pairs", "error_time", "error_maps", "heat_flux", "spectra",
    "singular_values", "pod_modes",
)  # fmt: skip


def main(run: str) -> None:
    """Shrink the figures of the run in folder `run`."""
    images = Path(__file__).parent / "images"
    images.mkdir(exist_ok=True)
    for name in NAMES:
        with Image.open(Path(run) / "figures" / f"{name}.png") as picture:
            height = round(picture.height * WIDTH / picture.width)
            small = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
            # A palette of 256 colours makes the files a third as large.
            small = small.quantize(256)
            small.save(images / f"figure_{name}.png", optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
