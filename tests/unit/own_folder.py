"""A folder of a user's images, made up."""

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (30, 40, 220), "green": (40, 200, 40), "red": (220, 30, 30)}


def coloured(folder: Path) -> Path:
    """Three classes of nine images that any classifier tells apart."""
    generator = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for i in range(9):
            noisy = np.clip(generator.normal(colour, 20, (20, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / name / f"{i}.png")
    return folder
