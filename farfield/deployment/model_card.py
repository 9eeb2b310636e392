"""README.md of a classifier's folder: what it is, how well it does, how to use it, and what it is not for."""

from typing import Any

from tabulate import tabulate

from farfield.deployment.description import Description

# What both programs begin with, and how they come to the graph and the names of its classes.
_IMPORTS = """import csv
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
"""
_LOADING = """folder = Path(__file__).parent
graph = (folder / "classifier.onnx").read_bytes()
said = json.loads((folder / "classifier.json").read_text(encoding="utf-8")).get("graphs_sha256", {})
if hashlib.sha256(graph).hexdigest() != said.get("classifier.onnx"):
    sys.exit("classifier.onnx is not the file that classifier.json was written for; copy the folder anew")
session = onnxruntime.InferenceSession(graph)
names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])
sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
answers = csv.writer(sys.stdout, lineterminator="\\n")
"""

# The README shows it and predict.py is it: answers with onnxruntime, numpy and pillow alone.
SNIPPET = f'''"""Classes of images: python predict.py IMAGE ... (needs onnxruntime, numpy and pillow)."""
{_IMPORTS}from PIL import Image, ImageOps

{_LOADING}for path in sys.argv[1:]:
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    [[probabilities]] = session.run(None, {{"images": np.asarray(image)[None]}})
    answers.writerow([path, names[probabilities.argmax()], f"{{probabilities.max():.4f}}"])
'''

# The same for classifiers of bands, with tifffile in pillow's place.
BANDS_SNIPPET = f'''"""Classes of images: python predict.py IMAGE.tif ... (needs onnxruntime, numpy, tifffile)."""
{_IMPORTS}import tifffile

{_LOADING}for path in sys.argv[1:]:
    with tifffile.TiffFile(path) as file:
        bands = file.pages[0].shaped  # planes, depth, height, width, samples
        values = file.pages[0].asarray().reshape(bands)[:, 0]
    image = np.moveaxis(values, 0, -2).reshape(*bands[2:4], -1).astype(np.float32)
    [[probabilities]] = session.run(None, {{"images": image[None]}})
    answers.writerow([path, names[probabilities.argmax()], f"{{probabilities.max():.4f}}"])
'''


def snippet(description: Description) -> str:
    """predict.py."""
    return BANDS_SNIPPET if description.bands else SNIPPET


def reader(description: Description) -> str:
    """The package that `snippet` opens files with, beside onnxruntime and numpy."""
    return "tifffile" if description.bands else "pillow"


def model_card(description: Description, whole: bool) -> str:
    """Markdown. whole: whether the ONNX graph that takes images as they are lies beside it."""
    facts, names = description.facts, description.class_names
    method = facts.get("method", f"a {description.backbone} with a linear head")
    parts = [
        f"# A classifier of {len(names)} classes",
        f"It names one of {len(names)} classes for an image of any size: {method}. Written by farfield.",
        "## How well it does",
        *_measured(facts),
        "## What it has learned from",
        _data(facts, names),
        "## How images become pixels",
        _pixels(description),
        "## How to use it",
        *_use(whole, description),
        "## What it is not for",
        _limits(description),
        "## Licence",
        str(facts.get("licence", "None is stated for its weights.")),
    ]
    return "\n\n".join(parts) + "\n"


def _measured(facts: dict[str, Any]) -> list[str]:
    metrics = facts.get("metrics")
    if not metrics:
        return ["Nothing was measured of this classifier itself; see the report that was written with it."]
    rows = [(name.replace("_", " "), *_interval(value)) for name, value in metrics.items()]
    said = [
        *(f"**Read this first.** {doubt}" for doubt in facts.get("doubts", ())),
        "On images that were left out, which it had not learned from; 95 % intervals.",
        tabulate(rows, ["", "%", "interval"], tablefmt="github", disable_numparse=True),
    ]
    if recall := facts.get("recall"):
        counts = facts.get("class_images", {})
        found = [(_cell(name), counts.get(name, ""), *_interval(value)) for name, value in recall.items()]
        headers = ["class", "images", "found again, %", "interval"]
        said.append(tabulate(found, headers, tablefmt="github", disable_numparse=True))
    return said


def _interval(value: dict[str, float]) -> tuple[str, str]:
    bounds = f"{value['low']:.1f} to {value['high']:.1f}" if "low" in value else ""
    return f"{value['percent']:.1f}", bounds


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _data(facts: dict[str, Any], names: tuple[str, ...]) -> str:
    counts = facts.get("class_images", {})
    seen = facts.get("pretrained_on", "not stated")
    listed = ", ".join(f"{name} ({counts[name]})" if name in counts else name for name in names)
    mark = f" Their fingerprint is {facts['fingerprint']}." if "fingerprint" in facts else ""
    total = f"{sum(counts.values())} images" if counts else "images"
    return f"The network was pretrained on: {seen}. Then {total} of: {listed}.{mark}"


def _pixels(description: Description) -> str:
    packing, size = description.packing, description.image_size
    height, width = packing.shape
    first = (
        f"to {packing.pre_size} x {packing.pre_size} ({packing.pre_resample}), then "
        if packing.pre_size
        else ""
    )
    crop = "" if (height, width) == (size, size) else f" The network sees the central {size} x {size}."
    if description.bands:
        numbers = ", ".join(map(str, description.bands))
        return (
            f"Bands {numbers} of each file, counted from 1, in this order; upright, each from its own "
            f"`band_ranges` in classifier.json to 0..1, squeezed to {width} x {height} pixels with Pillow's "
            f"{packing.resample} filter, nothing cut off.{crop} The network has three channels and sees three "
            "bands at a time; where fewer are left, the last fills them up."
        )
    return (
        f"Upright by EXIF, RGB, 8 bits, opacity on white; squeezed {first}to {width} x {height} pixels with "
        f"Pillow's {packing.resample} filter, nothing cut off.{crop} Files of more than 8 bits or of other "
        "bands become 8-bit RGB by the rule `packing` in classifier.json, which `farfield predict` follows."
    )


def _use(whole: bool, description: Description) -> list[str]:
    size = description.image_size
    said = [
        "`farfield predict FOLDER IMAGES` prints class, probability, prediction set and whether an image is "
        "unlike all that the classifier has learned from, as CSV.",
        f"`model.onnx` takes normalised `images` float32 [n, {description.channels}, {size}, {size}] and gives "
        "`logits`; classifier.json has mean and std. `classifier.safetensors` holds the weights.",
    ]
    if whole:
        takes = "uint8 [n, h, w, 3], RGB"
        if description.bands:
            takes = (
                "float32 [n, h, w, bands], all bands of a file with the values that it holds, upright and "
                "without nodata,"
            )
        said.append(
            f"`classifier.onnx` takes `images` {takes} of any one size, and gives `probabilities`. With "
            f"`pip install onnxruntime numpy {reader(description)}`, this is predict.py:"
        )
        said.append(f"```python\n{snippet(description)}```")
    return said


def _limits(description: Description) -> str:
    sets = description.sets
    covered = (
        f" Its prediction sets hold the truth of {sets.coverage:.0f} % of images of the same kind, and no "
        "such share of others."
        if sets
        else ""
    )
    return (
        "It knows its classes alone and names one of them for every image, whatever it shows. Figures hold "
        "for images of the kind that it was tested on: another camera, place or time can be much worse, so "
        f"test it there first. Do not let it decide by itself where an error harms someone.{covered}"
    )
