"""validate@<dataset>: hold the packed dataset against its card; stop the pipeline if it fails.

Writes data/validated/<role>/<dataset>/validation.json and preview.png. `python -m commands.docs
<dataset>` makes Great Expectations' Data Docs to browse.
"""

import numpy as np

from farfield.datasets.cards import Card
from farfield.datasets.channels import channel_table, load_channels
from farfield.datasets.dense.packed import load_class_names, load_targets
from farfield.datasets.dense.pictures import target_sheet
from farfield.datasets.dense.validation import dense_summary, dense_tables, require_valid_dense
from farfield.datasets.odd_pictures import with_oddities
from farfield.datasets.packed import load_images, load_manifest
from farfield.datasets.previews import contact_sheet
from farfield.datasets.validation import Tables, require_valid, summary, tables, validate
from farfield.files import atomic_folder, read_json, write_json
from stages.frame import paths
from stages.frame.params import load_params
from stages.frame.run import run


def main(dataset: str) -> None:
    from PIL import Image

    card = load_params().card(dataset)
    packed = paths.packed(dataset, card)
    data = tables_of(dataset, card)
    entries = validate(data, card.expected, paths.EXPECTATIONS)
    images = load_images(packed)
    if card.role == "sharing":
        result = dense_summary(data, entries)
        require_valid_dense(dataset, result, card.expected)
        sheet = target_sheet(images, load_targets(packed), len(load_class_names(packed)))
    else:
        result = summary(data, entries)
        again = (
            f"After mending {card.folder}: dvc repro --force data/dvc.yaml:download@{dataset}, then dvc repro"
        )
        require_valid(dataset, result, again if card.folder else "")
        sheet = contact_sheet(images, data["images"]["label"].to_numpy(), kept=load_channels(packed))
    for line in result["remarks"]:
        print(f"{dataset}: {line}.")
    with atomic_folder(paths.validated(dataset, card)) as partial:
        write_json(partial / "validation.json", result)
        Image.fromarray(sheet).save(partial / "preview.png", optimize=True)


def tables_of(dataset: str, card: Card) -> Tables:
    """What the suites speak of, for a dataset of any role."""
    packed = paths.packed(dataset, card)
    manifest, unreadable = load_manifest(packed), read_json(packed / "unreadable.json")
    labels = manifest["label"].to_numpy() if "label" in manifest else np.zeros(len(manifest), np.int32)
    manifest = with_oddities(manifest, load_images(packed), labels)
    if card.role == "sharing":
        return dense_tables(manifest, unreadable, load_class_names(packed), card.expected)
    kept = load_channels(packed)
    figures = channel_table(load_images(packed), kept.names) if kept else None
    return tables(manifest, unreadable, card.expected, figures)


if __name__ == "__main__":
    run(main)
