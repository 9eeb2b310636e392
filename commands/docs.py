"""`python -m commands.docs <dataset>`: Great Expectations' Data Docs of a packed dataset, in data_docs/.

Not a DVC stage: the pages carry random identifiers and times, so they differ at each run.
"""

from pathlib import Path

from farfield.datasets.validation import validate
from stages.frame import paths
from stages.frame.params import load_params
from stages.frame.run import run
from stages.validate import tables_of


def main(dataset: str) -> None:
    card = load_params().card(dataset)
    folder = Path("data_docs") / dataset
    validate(tables_of(dataset, card), card.expected, paths.EXPECTATIONS, docs=folder)
    print(f"open {folder / 'index.html'}")


if __name__ == "__main__":
    run(main)
