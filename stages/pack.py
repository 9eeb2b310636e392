"""pack@<dataset>: decode data/raw/<dataset>/ once, to data/packed/<role>/<dataset>/."""

from dataclasses import asdict
from functools import partial

from farfield.datasets.archive_checks import UnusableArchiveError
from farfield.datasets.cards import Card
from farfield.datasets.dense.pack_dense import pack_dense
from farfield.datasets.layouts import DENSE_LAYOUTS, LAYOUTS, read_images
from farfield.datasets.packing import pack
from farfield.errors import InputError
from farfield.local import load_local
from stages.frame import paths
from stages.frame.params import Params, load_params
from stages.frame.run import run


def main(dataset: str) -> None:
    params = load_params()
    card = params.card(dataset)
    try:
        pack_dataset(dataset, card, params)
    except InputError as error:
        if not card.folder and not isinstance(error, UnusableArchiveError):
            raise
        # What download@ brought is in DVC's cache: a plain repro would bring the same again.
        where = card.folder or "the place where the card finds it"
        again = f"dvc repro --force data/dvc.yaml:download@{dataset}"
        raise InputError(f"{error}\nOnce it is mended in {where}: {again}, then dvc repro") from error


def pack_dataset(dataset: str, card: Card, params: Params) -> None:
    local, packing = load_local(), params.packing_of(dataset)
    raw, folder = paths.raw(dataset), paths.packed(dataset, card)
    facts = {
        "layout": card.layout,
        "options": card.options,
        "packing": asdict(packing),
        "channels": card.kept,
    }
    scratch, title = paths.scratch(f"pack {dataset}", facts, raw), f"packing {dataset}"
    if card.role == "sharing":
        points = DENSE_LAYOUTS.find(card.layout)(raw, card.options)
        pack_dense(points, raw, packing, folder, scratch, workers=local.workers, title=title)
        return
    index = LAYOUTS.find(card.layout)(raw, card.options)
    reader = partial(read_images, raw, index)
    pack(
        index,
        reader,
        packing,
        folder,
        scratch,
        workers=local.workers,
        title=title,
        channels=card.kept,
        bands=card.bands,
    )


if __name__ == "__main__":
    run(main)
