"""Procedural rooms: targets are those of the scene's geometry, in the coding of NYU Depth v2."""

import json
import zipfile

import numpy as np
import pytest

from farfield.datasets.dense.packed import load_class_names, load_targets
from farfield.datasets.packed import load_images, load_manifest
from farfield.datasets.procedural import write_generated
from farfield.datasets.procedural.rooms import CLASSES, Scene, draw
from farfield.datasets.procedural.rooms.interior import UPRIGHT, WIDE, Interior, Surface, Window
from farfield.datasets.procedural.rooms.maps import keypoints
from farfield.datasets.procedural.rooms.rays import camera_rays, in_camera, project, trace
from farfield.datasets.procedural.scenes import SceneRecipe, render_scenes
from farfield.datasets.procedural.solids import Part
from farfield.errors import InputError
from farfield.seeds import stream
from tests.unit.made_up_dense import packed

RECIPE = {"domain": "rooms", "images": 6, "size": 24, "splits": {"train": 4, "test": 2}}
OPTIONS = {
    "index": "rooms.json",
    "columns": ["image", "segmentation", "normals", "depth", "keypoints", "edges"],
    "classes": "classes.txt",
}


def scene(number: int, size: int = 48) -> Scene:
    return draw(stream(5, "rooms", "train", number), size)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene(number) for number in range(40)]


def plain(*parts: Part, windows: tuple[Window, ...] = ()) -> Interior:
    """A room of 4 x 2.5 x 6 metres; the camera stands 2.9 m before the middle, 1.5 m high, and looks ahead."""
    grey = (np.ones((3, 1), np.float32),) * 2
    return Interior(
        room=np.float32([2, 2.5, 3]),
        eye=np.float32([[0], [1.5], [-2.9]]),
        turn=np.eye(3, dtype=np.float32),
        parts=parts,
        windows=windows,
        paints=(Surface(grey),) * (3 + len(parts)),
        lamp=np.float32([[0], [2.4], [0]]),
        light=(0.5, 0.5),
    )


def seen(room: Interior, right: float, up: float):
    """What the ray through a point of the screen one metre before the camera meets."""
    hits = trace(room, camera_rays(room, np.float32([right / WIDE]), np.float32([-up / WIDE])))
    return CLASSES[hits.label[0]], float(hits.depth[0]), in_camera(room, hits.normals)[:, 0].round(4).tolist()


def test_the_sides_of_a_room_have_their_depths_and_normals():
    room = plain()
    assert seen(room, 0, 0) == ("wall", pytest.approx(5.9), [0, -1, 0])  # towards the camera is negative
    assert seen(room, 0, -1) == ("floor", pytest.approx(1.5), [0, 0, 1])  # up is positive
    assert seen(room, 0, 1) == ("ceiling", pytest.approx(1.0), [0, 0, -1])
    assert seen(room, -1, 0) == ("wall", pytest.approx(2.0), [1, 0, 0])  # the left wall faces right
    assert seen(room, 1, 0) == ("wall", pytest.approx(2.0), [-1, 0, 0])


def test_solids_stand_before_the_wall():
    box = Part("block", (0.5, 0.5, 0.5), (0, 1.5, 1), UPRIGHT)
    assert seen(plain(box), 0.001, 0.001) == ("box", pytest.approx(3.4), [0, -1, 0])
    ball = Part("ball", (1, 1, 1), (0, 1.5, 1), UPRIGHT)
    assert seen(plain(ball), 0, 0) == ("ball", pytest.approx(2.9), [0, -1, 0])
    cone = Part("cone", (0.5, 0.5, 0.5), (0, 0.5, 1), UPRIGHT)
    name, depth, normal = seen(plain(cone), 0, -1 / 3.7)
    assert name == "cone"
    assert normal[2] == pytest.approx(1 / np.sqrt(5), abs=1e-3)  # 1 high and 0.5 wide
    assert depth < 3.9


def test_depth_runs_along_the_axis_of_a_turned_camera(scenes):
    """Points that depth and pixel give back lie on the wall: depth is no distance from the camera."""
    room = plain()
    x, y = np.float32([-0.9, 0.2, 0.7]), np.float32([0.1, -0.2, 0.3])
    hits = trace(room, camera_rays(room, x, y))
    across, down, depth = project(room, hits.points)
    np.testing.assert_allclose([across, down, depth], [x, y, hits.depth], atol=1e-5)


def test_windows_are_unknown_and_their_frames_void():
    window = Window(2, 1, (0, 1.5), (0.5, 0.5))
    room = plain(windows=(window,))
    label = trace(
        room, camera_rays(room, np.float32([0, 0.47 / 5.9 / WIDE, 0.6 / 5.9 / WIDE]), np.zeros(3, np.float32))
    ).label
    assert [CLASSES[i] if i >= 0 else "" for i in label] == ["window", "", "wall"]
    for drawn in (scene(number) for number in range(30)):
        glass = drawn.segmentation == CLASSES.index("window")
        assert ((drawn.depth == 0) == glass).all()
        assert ((drawn.normals == 255).all(axis=2) == glass).all()


def test_keypoints_are_the_visible_corners():
    room = plain()
    steps = (np.arange(64, dtype=np.float32) + 0.5) / 32 - 1
    x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
    heat = keypoints(room, x, y, 64)
    corner = np.argmin((x - 2 / 5.9 / WIDE) ** 2 + (y - 1.5 / 5.9 / WIDE) ** 2)  # far, low, right
    assert heat.ravel()[corner] > 0.95
    assert heat[:3].max() < -0.9
    hidden = keypoints(plain(Part("ball", (0.3, 0.3, 0.3), (1, 0.75, 0.05), UPRIGHT)), x, y, 64)
    assert hidden.ravel()[corner] < 0.5  # a ball on the way to that corner
    assert hidden[:, :20].tolist() == heat[:, :20].tolist()


def test_targets_have_the_forms_of_the_prepared_dataset(scenes):
    for drawn in scenes:
        assert drawn.image.shape == drawn.normals.shape == (48, 48, 3)
        assert {drawn.image.dtype, drawn.normals.dtype, drawn.segmentation.dtype} == {np.dtype(np.uint8)}
        vectors = drawn.normals[(drawn.normals != 255).any(axis=2)].astype(float) / 127.5 - 1
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=0.02)
        for smooth in (drawn.keypoints, drawn.edges):
            assert smooth.dtype == np.float32
            assert -1 <= smooth.min() < smooth.max() <= 1


def test_normals_mean_in_every_scene_what_they_mean_in_nyu(scenes):
    """Floors face up, ceilings down, and nothing that is seen faces away from its ray."""
    steps = ((np.arange(48) + 0.5) / 24 - 1) * WIDE
    x, y = np.meshgrid(steps, steps)
    rays = np.stack([x, np.ones_like(x), -y], axis=2)
    for drawn in scenes:
        vectors = drawn.normals.astype(float) / 127.5 - 1
        known = (drawn.normals != 255).any(axis=2)
        assert ((vectors * rays).sum(axis=2)[known] < 0.05).mean() > 0.999
        assert (vectors[drawn.segmentation == CLASSES.index("floor")][:, 2] > 0.8).all()
        assert (vectors[drawn.segmentation == CLASSES.index("ceiling")][:, 2] < -0.8).all()


def test_all_classes_and_depths_of_a_room_occur(scenes):
    labels = np.stack([drawn.segmentation for drawn in scenes])
    assert set(np.unique(labels)) == {*range(len(CLASSES)), 255}
    depths = np.stack([drawn.depth for drawn in scenes])
    assert depths[depths > 0].min() > 0.5
    assert depths.max() < 8


def test_edges_lie_where_labels_change(scenes):
    for drawn in scenes[:10]:
        across = (drawn.segmentation[:, 1:] != drawn.segmentation[:, :-1]) & (drawn.segmentation[:, 1:] < 255)
        across &= drawn.segmentation[:, :-1] < 255
        assert drawn.edges[:, 1:][across].mean() > 0.5
    assert np.mean([drawn.edges.mean() for drawn in scenes]) < 0


def test_a_scene_depends_on_its_seed_alone_and_looks_alike_at_every_size():
    first, again, other = scene(3), scene(3), scene(4)
    for name in ("image", "segmentation", "normals", "depth", "keypoints", "edges"):
        assert (getattr(first, name) == getattr(again, name)).all()
    assert (first.image != other.image).mean() > 0.5
    large = scene(3, 144)
    reduced = large.image.reshape(48, 3, 48, 3, 3).mean(axis=(1, 3))
    assert np.corrcoef(reduced.ravel(), first.image.ravel())[0, 1] > 0.9
    assert (large.segmentation[1::3, 1::3] == first.segmentation).all()


def test_rooms_go_through_the_reader_of_the_prepared_dataset(tmp_path):
    raw = tmp_path / "raw"
    write_generated(RECIPE, 1, raw / "rooms.zip")
    folder = packed("nyuv2_prepared", raw, tmp_path, (24, 24), **OPTIONS)
    drawn = [scene for _, scene in render_scenes(SceneRecipe.from_section(RECIPE), 1)]
    targets, images = load_targets(folder), load_images(folder)
    assert load_manifest(folder)["split"].tolist() == ["train"] * 4 + ["test"] * 2
    assert load_class_names(folder) == list(CLASSES)
    for row, made in enumerate(drawn):
        assert (images[row] == made.image).all()
        assert (targets["segmentation"][row] == made.segmentation.astype(np.int8)).all()
        assert (targets["normals"][row] == made.normals).all()
        assert (np.nan_to_num(targets["depth"][row]) == made.depth).all()
        for task in ("keypoints", "edges"):
            np.testing.assert_allclose(targets[task][row], getattr(made, task), atol=4e-5)


def test_the_archive_is_the_same_at_every_run_and_a_longer_one_begins_alike(tmp_path):
    write_generated(RECIPE, 1, tmp_path / "a.zip")
    write_generated(RECIPE, 1, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    longer = {**RECIPE, "images": 8, "splits": {"train": 4, "test": 4}}
    write_generated(longer, 1, tmp_path / "c.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as short, zipfile.ZipFile(tmp_path / "c.zip") as long:
        lists = json.loads(short.read("rooms/rooms.json"))
        for name in (name for entry in lists["train"] + lists["test"] for name in entry):
            assert short.read(f"rooms/{name}") == long.read(f"rooms/{name}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 8}, "unknown keys"),
        ({"size": 4}, r"generator\.size is 4; it must be a whole number of at least 8"),
        ({"images": 7}, "add up to 6 images, but generator.images is 7"),
        ({"splits": {"train": 6}}, r"generator\.splits has \['train'\]"),
        ({"splits": {"train": 6, "test": 0}}, r"generator\.splits\.test is 0"),
        ({"domain": "caves"}, "choose one of .*rooms"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(changes, message, tmp_path):
    section = {**RECIPE, **changes}
    if changes.get("domain"):
        section = {**section, "classes": 2}
    with pytest.raises(InputError, match=message):
        write_generated(section, 1, tmp_path / "x.zip")
