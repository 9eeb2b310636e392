"""views@<network>: features of the views of every image that keep its label, to
pipelines/fewshot/views/<network>/.

<dataset>.npy: float32 [images, views, columns], in the order of the packed rows and of the target's views; of the
plain one they are those of stage `embed`. columns.json: as of that stage.
"""

import shutil

import numpy as np

from farfield.datasets.packed import load_images
from farfield.files import atomic_folder
from farfield.local import load_local
from farfield.networks.embedding import embed_views
from farfield.training.devices import choose_device, deterministic, resident
from stages.frame import paths
from stages.frame.leftovers import prune_undeclared
from stages.frame.models import load_network
from stages.frame.params import load_params
from stages.frame.run import run


def main(model: str) -> None:
    params = load_params()
    prune_undeclared(params, paths.PACKED_TARGETS, paths.VALID_TARGETS)
    deterministic()
    device = choose_device(load_local().device)
    backbone, _, image_size = load_network(model)
    plain = paths.FEWSHOT / "features" / model
    with atomic_folder(paths.FEWSHOT / "views" / model) as partial:
        shutil.copyfile(plain / "columns.json", partial / "columns.json")
        for dataset in params.fewshot.targets:
            embed_views(
                backbone,
                resident(load_images(paths.packed(dataset, params.card(dataset))), device),
                params.fewshot.views_of(dataset),
                np.load(plain / f"{dataset}.npy", mmap_mode="r"),
                partial / f"{dataset}.npy",
                image_size=image_size,
                device=device,
                title=f"embedding views of {dataset}",
            )


if __name__ == "__main__":
    run(main)
