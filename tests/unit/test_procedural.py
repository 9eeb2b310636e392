"""The embedded domains: reproducible, valid, varied within a class and different between classes."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from farfield.datasets.cards import Card, Expected
from farfield.datasets.procedural import DOMAINS, Recipe, draw, render, write_zip
from farfield.datasets.procedural.canvas import develop, grid, noise, shifted, soft, turned
from farfield.datasets.procedural.objects import BODIES, PATTERNS, kind
from farfield.datasets.procedural.solids import FAR, Part, meet, rotation, surface
from farfield.errors import InputError
from farfield.seeds import stream

EVERY = sorted(DOMAINS)
GREY = {"documents", "radiographs"}
CARDS = Path(__file__).parents[2] / "conf" / "dataset"


def signature(image: np.ndarray) -> np.ndarray:
    """Simple features of a picture: spectrum of its brightness, its colours, its coarse layout."""
    planes = image.astype(float) / 255
    grey = planes.mean(axis=2) if planes.ndim == 3 else planes
    power = np.log(np.abs(np.fft.rfft2(grey))[:12, :12] + 0.1).ravel() / 12
    coarse = grey.reshape(8, 5, 8, 5).mean(axis=(1, 3)).ravel() / 4
    flat = planes.reshape(1600, -1)
    return np.concatenate([power, coarse, flat.mean(axis=0), 2 * flat.std(axis=0)])


@pytest.mark.parametrize("domain", EVERY)
def test_the_same_seed_gives_the_same_pixels_and_another_seed_gives_others(domain: str) -> None:
    first, again, other = draw(domain, 1, 3, 40, 7), draw(domain, 1, 3, 40, 7), draw(domain, 1, 3, 40, 8)
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


@pytest.mark.parametrize("domain", EVERY)
def test_a_part_of_a_dataset_equals_that_part_of_the_whole(domain: str) -> None:
    whole = dict(render(Recipe(domain, 3, 3, 16), seed=1))
    part = dict(render(Recipe(domain, 2, 2, 16), seed=1))
    assert set(part) < set(whole)
    for path, pixels in part.items():
        np.testing.assert_array_equal(pixels, whole[path])


@pytest.mark.parametrize("domain", EVERY)
@pytest.mark.parametrize("size", [17, 40])
def test_scans_are_grey_and_all_else_is_coloured(domain: str, size: int) -> None:
    image = draw(domain, 0, 0, size, 1)
    assert image.dtype == np.uint8
    assert image.shape == ((size, size) if domain in GREY else (size, size, 3))
    if domain not in GREY:
        assert np.ptp(image.astype(int), axis=2).mean() > 4


@pytest.mark.parametrize("domain", EVERY)
def test_every_class_can_be_drawn_and_has_its_own_name(domain: str) -> None:
    count = DOMAINS[domain].classes
    names = {DOMAINS[domain].name(label, 1) for label in range(count)}
    assert len(names) == count
    for label in range(count):
        assert draw(domain, label, 0, 12, 1).std() > 5


@pytest.mark.parametrize("domain", EVERY)
def test_a_scene_looks_the_same_at_every_size(domain: str) -> None:
    for number in range(5):
        small = draw(domain, 2, number, 24, 1).astype(float)
        large = draw(domain, 2, number, 72, 1).astype(float)
        reduced = large.reshape(24, 3, 24, 3, -1).mean(axis=(1, 3)).reshape(small.shape)
        assert np.corrcoef(small.ravel(), reduced.ravel())[0, 1] > 0.85


@pytest.mark.parametrize("domain", EVERY)
def test_images_of_a_class_vary(domain: str) -> None:
    images = [draw(domain, 0, number, 40, 1).astype(float) for number in range(8)]
    differences = [np.abs(a - b).mean() for i, a in enumerate(images) for b in images[:i]]
    assert min(differences) > 4


@pytest.mark.parametrize("domain", EVERY)
def test_simple_features_tell_classes_apart_better_than_chance(domain: str) -> None:
    classes, train, test = 7, 24, 24
    features = np.stack(
        [[signature(draw(domain, c, n, 40, 1)) for n in range(train + test)] for c in range(classes)]
    )
    features = features / features.reshape(-1, features.shape[-1]).std(axis=0)
    centroids = features[:, :train].mean(axis=1)
    distance = np.square(features[:, train:, None] - centroids).sum(axis=-1)
    accuracy = (distance.argmin(axis=-1) == np.arange(classes)[:, None]).mean()
    # Chance is 1/7, with a standard deviation of 0.027 over 168 pictures.
    assert 1 / 7 + 0.08 < accuracy < 0.97


def test_paths_go_by_class_and_number() -> None:
    paths = [path for path, _ in render(Recipe("terrain", 2, 2, 8), seed=1)]
    assert paths == [
        "annual_crops/0000.png",
        "annual_crops/0001.png",
        "forest/0000.png",
        "forest/0001.png",
    ]


def test_splits_share_out_the_classes_in_order() -> None:
    recipe = Recipe("objects", 6, 2, 8, {"train": 3, "val": 1, "test": 2})
    paths = [path.split("/") for path, _ in render(recipe, seed=1)]
    assert [split for split, _, _ in paths] == ["train"] * 6 + ["val"] * 2 + ["test"] * 4
    assert len({name for _, name, _ in paths}) == 6


@pytest.mark.parametrize("domain", ["leaves", "radiographs", "documents"])
def test_a_zip_has_the_same_bytes_at_every_run_and_holds_what_was_drawn(domain: str, tmp_path: Path) -> None:
    recipe = Recipe(domain, 2, 3, 12)
    write_zip(recipe, 5, tmp_path / "first.zip")
    write_zip(recipe, 5, tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()

    drawn = dict(render(recipe, 5))
    with zipfile.ZipFile(tmp_path / "first.zip") as archive:
        assert archive.namelist() == list(drawn)
        for entry in archive.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.compress_type == zipfile.ZIP_STORED
            image = Image.open(io.BytesIO(archive.read(entry)))
            assert (image.format, image.mode) == ("PNG", "L" if domain in GREY else "RGB")
            np.testing.assert_array_equal(np.asarray(image), drawn[entry.filename])


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({"domain": "moons"}, "generator.domain is 'moons'; choose one of objects"),
        ({"classes": 8}, "only 7 classes"),
        ({"classes": 0}, "generator.classes is 0"),
        ({"images": -3}, "generator.images is -3"),
        ({"images": 2.5}, "generator.images is 2.5"),
        ({"size": True}, "generator.size is True"),
        ({"splits": {"train": 5, "test": 0}}, "generator.splits.test is 0"),
        ({"splits": {"train": 5, "test": 3}}, "generator.splits add up to 8"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_impossible_recipe_is_refused_with_the_name_of_its_key(section: dict, named: str) -> None:
    good = {"domain": "lesions", "classes": 7, "images": 2, "size": 8}
    assert Recipe.from_section(good) == Recipe("lesions", 7, 2, 8)
    with pytest.raises(InputError, match=named.replace(".", r"\.")):
        Recipe.from_section(good | section)


def test_a_recipe_without_a_key_names_what_it_lacks() -> None:
    with pytest.raises(InputError, match="lacks \\['images', 'size'\\]"):
        Recipe.from_section({"domain": "lesions", "classes": 7})


@pytest.mark.parametrize("domain", EVERY)
def test_the_card_expects_what_its_recipe_draws(domain: str) -> None:
    fields = OmegaConf.to_container(OmegaConf.load(CARDS / f"{domain}.yaml"))
    assert fields.pop("defaults") == ["card"]
    card = Card(**(fields | {"expected": Expected(**fields["expected"])}))
    recipe = Recipe.from_section(card.generator)
    assert recipe.domain == domain
    assert "not a benchmark" in card.notes
    assert card.expected.classes == recipe.classes
    assert card.expected.images == recipe.classes * recipe.images
    assert card.expected.fewest_images == recipe.images
    assert card.expected.shortest_side == recipe.size
    assert card.expected.modes == (("L",) if domain in GREY else ("RGB",))
    assert card.options.get("splits", []) == list(recipe.splits)


def test_classes_of_objects_are_all_pairs_of_a_body_and_a_pattern() -> None:
    names = {kind(label, 3).name for label in range(100)}
    assert names == {f"{pattern}_{body}" for pattern in PATTERNS for body in BODIES}
    # Ten classes in a row hold every body and every pattern once, so each split holds all of them.
    first = [kind(label, 3).name.split("_") for label in range(10)]
    assert {pattern for pattern, _ in first} == set(PATTERNS)
    assert {body for _, body in first} == set(BODIES)


@pytest.mark.parametrize("shape", ["ball", "drum", "barrel", "cone", "dome", "hourglass", "block"])
def test_rays_meet_a_solid_where_marching_along_them_first_enters_it(shape: str) -> None:
    rng = stream(0, shape)
    turn = rotation(0, 0.7) @ rotation(2, 1.1)
    part = Part(shape, (0.9, 0.9, 0.6), (0.1, -0.2, 0.3), turn)
    origin = np.asarray([[0.3], [1.5], [-5.0]], dtype=np.float32)
    aims = rng.uniform(-1.3, 1.3, (3, 200)).astype(np.float32)
    rays = aims - origin
    found = meet(part, origin, rays)

    steps = np.linspace(0, 1.6, 8001)
    points = origin[:, :, None] + rays[:, :, None] * steps  # [3, rays, steps]
    local = np.einsum("ji,jrs->irs", turn, points - np.asarray(part.centre)[:, None, None])
    x, y, z = local / np.asarray(part.extent)[:, None, None]
    radius = {
        "ball": lambda z: np.sqrt(np.maximum(1 - z * z, 0)),
        "drum": lambda z: 1 + 0 * z,
        "barrel": lambda z: np.sqrt(np.maximum(1 - z * z / 2, 0)),
        "cone": lambda z: (1 - z) / 2,
        "dome": lambda z: np.sqrt(np.maximum((1 - z) / 2, 0)),
        "hourglass": lambda z: np.sqrt(0.12 + 0.88 * z * z),
    }
    if shape == "block":
        inside = np.maximum(np.maximum(np.abs(x), np.abs(y)), np.abs(z)) <= 1
    else:
        inside = (np.abs(z) <= 1) & (np.hypot(x, y) <= radius[shape](z))
    hit = inside.any(axis=1)
    expected = np.where(hit, steps[inside.argmax(axis=1)], FAR)
    thick = inside.sum(axis=1) != 1  # rays that only graze the rim between two steps prove nothing
    assert hit.sum() > 50
    assert ((found < FAR) == hit)[thick].mean() > 0.98
    both = hit & (found < FAR)
    np.testing.assert_allclose(found[both], expected[both], atol=2e-3)


def test_the_normal_of_a_ball_points_away_from_its_centre() -> None:
    part = Part("ball", (0.8, 0.8, 0.8), (0.5, 0.0, -0.2))
    directions = stream(0, "normals").standard_normal((3, 50))
    directions /= np.linalg.norm(directions, axis=0)
    points = (directions * 0.8 + np.asarray(part.centre)[:, None]).astype(np.float32)
    normal, _, _ = surface(part, points)
    inner = np.abs(directions[2]) < 0.99
    np.testing.assert_allclose(normal[:, inner], directions[:, inner], atol=1e-3)


def test_developing_averages_two_by_two() -> None:
    picture = np.asarray([[0.0, 1.0, 0.5, 0.5], [0.0, 1.0, 0.5, 0.5]], dtype=np.float32)
    np.testing.assert_array_equal(
        develop(np.vstack([picture, picture]), stream(0), grain=0.0), np.full((2, 2), 128)
    )


def test_turning_by_a_quarter_swaps_the_axes() -> None:
    x, y = grid(4)
    across, down = turned(x, y, np.pi / 2, scale=2.0)
    np.testing.assert_allclose(across, y / 2, atol=1e-6)
    np.testing.assert_allclose(down, -x / 2, atol=1e-6)


def test_a_shifted_field_keeps_its_border_in_the_gap() -> None:
    field = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(shifted(field, 0.25, -0.25)[:2], [[1, 2, 3, 3], [1, 2, 3, 3]])


def test_a_soft_edge_is_half_at_zero() -> None:
    np.testing.assert_allclose(soft(np.asarray([-1, -0.1, 0, 0.1, 1]), 0.4), [0, 0.25, 0.5, 0.75, 1])


@pytest.mark.parametrize("name", ["fractal", "cells"])
def test_noise_is_standardised(name: str) -> None:
    x, y = (8 * axis for axis in grid(256))  # the whole tile
    field = noise(name, x, y, stream(0))
    assert abs(field.mean()) < 0.02
    assert abs(field.std() - 1) < 0.02


def test_domes_are_cones_of_slope_one_below_height_one() -> None:
    x, y = (8 * axis for axis in grid(256))
    field = noise("domes", x, y, stream(0))
    assert 0.9 < field.max() <= 1
    # Neighbouring points are 1/32 apart, and reading the nearest texel moves each by up to 1/128.
    slope = np.hypot(*np.gradient(field, 1 / 32))
    assert np.median(slope) == pytest.approx(1, abs=0.05)
