"""pack@<dataset>: decode data/raw/<dataset>/ once, to data/packed/<role>/<dataset>/."""

from dataclasses import asdict
from functools import partial

from farfield.datasets.layouts import LAYOUTS, read_images
from farfield.datasets.packing import pack
from farfield.errors import InputError
from stages import paths
from stages.local import load_local
from stages.params import load_params
from stages.run import run


def main(dataset: str) -> None:
    params, local = load_params(), load_local()
    card, packing = params.card(dataset), params.packing_of(dataset)
    if card.layout not in LAYOUTS:
        raise InputError(
            f"datasets.{dataset}.layout is {card.layout!r}; the layouts are {', '.join(sorted(LAYOUTS))}"
        )
    raw = paths.raw(dataset)
    index = LAYOUTS[card.layout](raw, card.options)
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
