"""pack@<dataset>: decode data/raw/<dataset>/ once, to data/packed/<role>/<dataset>/."""

from dataclasses import asdict
from functools import partial

from farfield.datasets.layouts import find_layout, read_images
from farfield.datasets.packing import pack
from stages import paths
from stages.local import load_local
from stages.params import load_params
from stages.run import run


def main(dataset: str) -> None:
    params, local = load_params(), load_local()
    card, packing = params.card(dataset), params.packing_of(dataset)
    raw = paths.raw(dataset)
    index = find_layout(card.layout)(raw, card.options)
    facts = {"layout": card.layout, "options": card.options, "packing": asdict(packing)}
    pack(
        index,
        partial(read_images, raw, index),
        packing,
        paths.packed(dataset, card),
        paths.scratch("pack", facts, raw),
        workers=local.workers,
        title=f"packing {dataset}",
    )


if __name__ == "__main__":
    run(main)
