"""embed@<network>: features of every image of every target, to pipelines/fewshot/features/<network>/.

<dataset>.npy: float32 [images, columns], in the order of the packed rows. columns.json: which
columns are the pooled output of each stage, and which are the backbone's features.
"""

from farfield.datasets.packed import load_images
from farfield.files import atomic_folder, write_json
from farfield.local import load_local
from farfield.networks.embedding import embed, feature_columns
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
    with atomic_folder(paths.FEWSHOT / "features" / model) as partial:
        write_json(partial / "columns.json", feature_columns(backbone))
        for dataset in params.fewshot.targets:
            embed(
                backbone,
                resident(load_images(paths.packed(dataset, params.card(dataset))), device),
                partial / f"{dataset}.npy",
                image_size=image_size,
                device=device,
                title=f"embedding {dataset}",
            )


if __name__ == "__main__":
    run(main)
