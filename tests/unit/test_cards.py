"""Dataset cards: each one composes with Hydra, fits the schema and says what it must."""

from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from pydantic import TypeAdapter, ValidationError

from farfield.datasets.cards import Card
from farfield.datasets.layouts import DENSE_LAYOUTS, LAYOUTS

CONF = Path(__file__).parents[2] / "conf"
PARTS = {"card", "for_tuning", "visual_decathlon"}  # of which cards are made
OFFICIAL = sorted(path.stem for path in (CONF / "dataset").glob("*.yaml") if path.stem not in PARTS)
SAMPLES = sorted(path.stem for path in (CONF / "dataset/mirror").glob("*.yaml") if path.stem != "cleared")


EVERY = [("dataset", slug) for slug in OFFICIAL] + [("dataset/mirror", slug) for slug in SAMPLES]


@cache
def every_card() -> DictConfig:
    """All cards in one composition, which reads what they share once."""
    with initialize_config_dir(str(CONF), version_base=None):
        return compose(
            overrides=[f"+{group}@{group.replace('/', '.')}.{slug}={slug}" for group, slug in EVERY]
        )


def composed(group: str, slug: str) -> dict:
    found = OmegaConf.select(every_card(), f"{group.replace('/', '.')}.{slug}")
    return OmegaConf.to_container(found, resolve=True)


def card(group: str, slug: str) -> Card:
    return TypeAdapter(Card).validate_python(composed(group, slug))


@pytest.mark.parametrize(("group", "slug"), EVERY)
def test_every_card_is_valid_and_complete(group, slug):
    found = card(group, slug)
    assert found.layout in (DENSE_LAYOUTS if found.role == "sharing" else LAYOUTS)
    assert found.title
    assert found.licence
    assert found.citation
    for name, archive in found.archives.items():
        assert Path(archive.path).name == name
        for url in archive.urls:
            assert url.startswith(("https://", "http://"))
        assert archive.urls or found.access, f"{name} has no address, so the card must say how to get it"
    counts = found.expected.class_images
    if counts:
        assert sum(counts.values()) == found.expected.images
        assert len(counts) == found.expected.classes
        assert min(counts.values()) == found.expected.fewest_images


@pytest.mark.parametrize("slug", SAMPLES)
def test_a_sample_is_its_official_dataset_with_archives_of_its_own(slug):
    sample, official = card("dataset/mirror", slug), card("dataset", slug)
    for same in ("title", "role", "published", "layout", "licence", "citation"):
        assert getattr(sample, same) == getattr(official, same)
    if slug != "nyuv2":  # whose sample has half the size, and the 13 coarser classes
        assert sample.packing == official.packing
    if slug == "cars":  # without the test part, so that the other one is divided
        assert sample.options == {"parts": ["train"], "holdout": {"images": 2}, "crop": "box"}
    else:
        assert sample.options == (
            official.options | ({"classes": "classes13.txt"} if slug == "nyuv2" else {})
        )
    assert sample.sample
    assert not official.sample
    assert sample.notes != official.notes
    assert set(sample.archives) <= set(official.archives)
    for archive in sample.archives.values():
        assert archive.sha256
        assert archive.size
        assert not archive.urls


def test_a_sample_replaces_the_archives_and_counts_as_a_whole():
    chestx = card("dataset/mirror", "chestx")
    assert list(chestx.archives) == ["images_001.tar.gz", "images_002.tar.gz", "Data_Entry_2017.csv"]
    crops = card("dataset/mirror", "cropdisease")
    assert len(crops.expected.class_images) == 31


@pytest.mark.parametrize(
    ("slug", "layout", "options"),
    [
        ("cubs", "cub", {"crop": "box"}),
        ("cars", "stanford_cars", {"parts": ["train", "test"], "crop": "box"}),
        ("dtd_split", "dtd", {"split": 1}),
    ],
)
def test_the_images_of_a_source_are_fine_tuned_on_with_a_layout_of_their_own(slug, layout, options):
    found = card("dataset", slug)
    assert (found.role, found.layout, found.options) == ("tuning", layout, options)


def test_the_sets_of_the_decathlon_share_their_archives():
    cards = [card("dataset", slug) for slug in OFFICIAL if slug.startswith("decathlon_")]
    assert len({found.options["set"] for found in cards}) == len(cards) == 10
    nine = [found for found in cards if found.role == "tuning"]
    assert len(nine) == 9
    assert all(found.archives == nine[0].archives for found in nine)
    assert sum(found.expected.images for found in cards) == 1_659_142


def test_a_key_that_no_card_has_is_refused():
    values = composed("dataset", "eurosat")
    with pytest.raises(ValidationError, match="license"):
        TypeAdapter(Card).validate_python({**values, "license": "MIT"})
    values["archives"]["EuroSAT.zip"]["url"] = "https://example.org"
    with pytest.raises(ValidationError, match="url"):
        TypeAdapter(Card).validate_python(values)


def test_a_card_can_be_changed_where_it_is_composed():
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose(
            overrides=["+dataset@datasets.birds=cub200", "datasets.birds.expected.modes=[RGB]"],
        )
    assert config.datasets.birds.expected.modes == ["RGB"]
    assert config.datasets.birds.options.root == "CUB_200_2011/images"
