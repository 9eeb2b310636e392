"""spine@<dataset>: what the network of a dataset of the in-domain study says of each of its images, once.

To pipelines/indomain/features/<dataset>/: features.npy, float32 [images, columns] in the order of the
packed rows; columns.json, which columns are which; network.safetensors, the network itself, so that rows
need no other folder."""

import shutil

from farfield.datasets.packed import load_images
from farfield.errors import InputError
from farfield.files import atomic_folder, write_json
from farfield.local import load_local
from farfield.networks.embedding import embed, feature_columns
from farfield.training.devices import choose_device, deterministic, resident
from stages.frame import paths
from stages.frame.models import load_network, model_file
from stages.frame.params import load_params
from stages.frame.run import run


def main(dataset: str) -> None:
    deterministic()
    params = load_params()
    device = choose_device(load_local().device)
    network = params.indomain.datasets[dataset].network
    backbone, _, image_size = load_network(network)
    images = load_images(paths.packed(dataset, params.card(dataset)))
    if images.shape[3] != 3:
        raise InputError(
            f"the in-domain study is of images of three channels, and {dataset} is packed with "
            f"{images.shape[3]}; "
            f"leave `channels` out of its card, or name three"
        )
    with atomic_folder(paths.INDOMAIN / "features" / dataset) as partial:
        shutil.copyfile(model_file(network), partial / "network.safetensors")
        write_json(partial / "columns.json", feature_columns(backbone))
        embed(
            backbone,
            resident(images, device),
            partial / "features.npy",
            image_size=image_size,
            device=device,
            title=f"embedding {dataset}",
        )


if __name__ == "__main__":
    run(main)
