"""`python -m stages.docs <dataset>`: Great Expectations' Data Docs of a packed dataset, in data_docs/.

Not a DVC stage: the pages carry random identifiers and times, so they differ at each run.
"""

from pathlib import Path

from farfield.datasets.packed import load_manifest
from farfield.datasets.validation import tables, validate
from farfield.files import read_json
from stages import paths
from stages.params import load_params
from stages.run import run


def main(dataset: str) -> None:
    card = load_params().card(dataset)
    packed = paths.packed(dataset, card)
    data = tables(load_manifest(packed), read_json(packed / "unreadable.json"), card.expected)
    folder = Path("data_docs") / dataset
    validate(data, card.expected, paths.EXPECTATIONS, docs=folder)
    print(f"open {folder / 'index.html'}")


if __name__ == "__main__":
    run(main)
