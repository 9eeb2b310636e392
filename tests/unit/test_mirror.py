"""Real images in official layouts: what arrives and is indexed must be what each card expects."""

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image
from pydantic import TypeAdapter

from farfield.datasets.archives import read
from farfield.datasets.cards import Card, Packing
from farfield.datasets.dense.pack_dense import pack_dense
from farfield.datasets.dense.packed import load_class_names
from farfield.datasets.dense.validation import dense_summary, dense_tables, require_valid_dense
from farfield.datasets.download import fetch
from farfield.datasets.layouts import DENSE_LAYOUTS, LAYOUTS, read_images
from farfield.datasets.packed import load_manifest
from farfield.datasets.validation import validate
from farfield.files import read_json

CONF = Path(__file__).parents[2] / "conf"
DENSE = ["camvid", "nyuv2"]
SLUGS = sorted(
    path.stem for path in (CONF / "dataset/mirror").glob("*.yaml") if path.stem not in ("cleared", *DENSE)
)


def fetched(slug: str, mirror: Path, folder: Path) -> Card:
    """The card of a sample, whose archives are then in the folder."""
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose(overrides=[f"+dataset/mirror@card={slug}"])
    card = TypeAdapter(Card).validate_python(OmegaConf.to_container(config.card, resolve=True))
    for name, archive in card.archives.items():
        line = fetch(name, archive, folder / name, str(mirror), card.access, progress=False)
        assert "sha256 verified" in line
    return card


@pytest.mark.mirror
@pytest.mark.parametrize("slug", DENSE)
def test_a_dense_sample_passes_the_validation_of_its_card(slug, mirror, tmp_path):
    card = fetched(slug, mirror, tmp_path)
    index = DENSE_LAYOUTS.find(card.layout)(tmp_path, card.options)
    folder, packing = tmp_path / "packed", Packing(**card.packing)
    pack_dense(index, tmp_path, packing, folder, tmp_path / "scratch", workers=2, title="")
    manifest, names = load_manifest(folder), load_class_names(folder)
    data = dense_tables(manifest, read_json(folder / "unreadable.json"), names, card.expected)
    entries = validate(data, card.expected, CONF.parent / "data/expectations")
    require_valid_dense(slug, dense_summary(data, entries), card.expected)


@pytest.mark.mirror
@pytest.mark.parametrize("slug", SLUGS)
def test_a_sample_is_what_its_card_expects(slug, mirror, tmp_path):
    card = fetched(slug, mirror, tmp_path)
    index = LAYOUTS.find(card.layout)(tmp_path, card.options)
    rows, modes, shortest = [], set(), []
    for row, data in read_images(tmp_path, index):
        image = Image.fromarray(data) if isinstance(data, np.ndarray) else Image.open(io.BytesIO(data))
        rows.append(row)
        modes.add(image.mode)
        shortest.append(min(image.size))
    assert sorted(rows) == list(range(len(index.records)))

    expected = card.expected
    counts = Counter(index.class_names[record.label] for record in index.records)
    assert len(rows) == expected.images
    assert len(index.class_names) == len(counts) == expected.classes
    assert min(counts.values()) == expected.fewest_images
    assert not expected.class_images or counts == expected.class_images
    assert modes == set(expected.modes)
    assert min(shortest) == expected.shortest_side


@pytest.mark.mirror
def test_the_folders_of_20_aircraft_are_not_numbered_as_their_categories(mirror):
    folder, wrong = mirror / "VisualDecathlon", {}
    for split in ("train", "val"):
        member = f"decathlon-1.0/annotations/aircraft_{split}.json"
        content = json.loads(read(folder / "decathlon-1.0-devkit.tar.gz", member))
        paths = {image["id"]: image["file_name"] for image in content["images"]}
        folders = {
            (int(paths[a["image_id"]].split("/")[3]), a["category_id"]) for a in content["annotations"]
        }
        assert len(folders) == 100  # one folder a category, though not that of its number
        wrong[split] = {category - 10_000_000: number for number, category in folders}
        names = [category["name"] for category in content["categories"]]
        assert names == sorted(names)
    permuted = {category: number for category, number in wrong["train"].items() if category != number}
    assert wrong["train"] == wrong["val"]
    assert len(permuted) == 20
    assert permuted[37] == 35
    assert names[36] == "An-12"


@pytest.mark.mirror
def test_labels_of_aircraft_are_those_of_the_annotations_all_the_same(mirror):
    index = LAYOUTS.find("decathlon")(mirror / "VisualDecathlon", {"set": "aircraft"})
    assert index.class_names == tuple(sorted(index.class_names))
    labels = {record.path.split("/")[2]: index.class_names[record.label] for record in index.records}
    assert len(labels) == 100
    assert labels["0035"] == "An-12"
    by_folder = sum(int(record.path.split("/")[2]) - 1 != record.label for record in index.records)
    assert by_folder == 20 * 18  # images that the numbers of the folders would mislabel
