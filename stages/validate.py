"""validate@<dataset>: hold the packed dataset against its card; stop the pipeline if it fails.

Writes data/validated/<role>/<dataset>/validation.json and preview.png. `python -m stages.docs
<dataset>` makes Great Expectations' Data Docs to browse.
"""

from PIL import Image

from farfield.datasets.packed import load_images, load_manifest
from farfield.datasets.previews import contact_sheet
from farfield.datasets.validation import require_valid, summary, tables, validate
from farfield.files import atomic_folder, read_json, write_json
from stages import paths
from stages.params import load_params
from stages.run import run


def main(dataset: str) -> None:
    card = load_params().card(dataset)
    packed = paths.packed(dataset, card)
    manifest = load_manifest(packed)
    data = tables(manifest, read_json(packed / "unreadable.json"), card.expected)
    result = summary(data, validate(data, card.expected, paths.EXPECTATIONS))
    require_valid(dataset, result)
    with atomic_folder(paths.validated(dataset, card)) as partial:
        write_json(partial / "validation.json", result)
        sheet = contact_sheet(load_images(packed), manifest["label"].to_numpy())
        Image.fromarray(sheet).save(partial / "preview.png", optimize=True)


if __name__ == "__main__":
    run(main)
