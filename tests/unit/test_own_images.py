"""The command `farfield` on a user's own images: from a folder to a classifier that names new ones."""

import contextlib
import csv
import io
import json
import os
import resource
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import timm
import torch
from click.testing import CliRunner, Result
from PIL import Image

from farfield.command.main import main
from farfield.datasets.cards import Packing
from farfield.datasets.class_folders import class_folders
from farfield.deployment.classifier import ImageClassifier, save_classifier
from farfield.deployment.description import Description
from farfield.errors import InputError
from farfield.files import read_json
from farfield.own import images
from farfield.own.groups import groups_by, groups_given, require_testable
from farfield.own.images import own_images
from farfield.own.prediction import work_of
from farfield.training.checkpoints import save_tensors
from farfield.transfer.learner import Head


def farfield(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_class_folders_give_images_by_class_and_name_what_is_no_image(data):
    (data / "red/notes.txt").write_text("not an image")
    (data / "stray.png").write_bytes(b"")
    (data / "red/.hidden.png").write_bytes(b"")
    found = class_folders(data)
    assert found.index.class_names == ("blue", "green", "red")
    assert [(r.path, r.label) for r in found.index.records][8:10] == [("blue/8.png", 0), ("green/0.png", 1)]
    assert found.left_out == {"red/notes.txt": "no image by its name", "stray.png": "in no class folder"}


def test_a_folder_that_holds_no_classes_is_refused(tmp_path, data):
    assert class_folders(tmp_path).index.class_names == ("blue", "green", "red")  # whatever lies around them
    for name in ("a/x/1.png", "a/y/2.png", "b/x/3.png"):
        (data / "nested" / name).parent.mkdir(parents=True)
        (data / "nested" / name).write_bytes(b"")
    for folder, message in (
        (tmp_path / "nowhere", "nowhere does not exist"),
        (data / "red/0.png", r"0\.png is a file"),
        (data / "red", "no class folder"),
        (data / "nested", "lies deeper than <class>/<image>.*whether 'a' or 'x' is its class"),
    ):
        with pytest.raises(InputError, match=message):
            class_folders(folder)
    for name in ("red", "green", "nested"):
        os.rename(data / name, tmp_path / name)
    with pytest.raises(InputError, match=r"1 class folder \(blue\); a classifier needs at least two"):
        class_folders(data)


def test_images_are_decoded_once_and_again_after_a_change(data, here, monkeypatch):
    (data / "red/damaged.png").write_bytes(b"damaged")
    first = own_images(data, Packing(18), 1)
    assert first.counts == {"blue": 9, "green": 9, "red": 9}
    assert first.left_out == {"red/damaged.png": "not an image that Pillow knows"}
    assert first.images.shape == (27, 18, 18, 3)
    assert isinstance(first.images, np.memmap)

    with monkeypatch.context() as patched:
        patched.setattr(images, "pack", lambda *a, **k: pytest.fail("decoded again"))
        again = own_images(data, Packing(18), 1)
    assert np.array_equal(again.images, first.images)
    assert again.fingerprint == first.fingerprint

    (data / "red/0.png").write_bytes((data / "blue/0.png").read_bytes())
    changed = own_images(data, Packing(18), 1)
    assert changed.fingerprint != first.fingerprint
    assert changed.repeated == 2
    assert changed.mislabelled == ("blue/0.png (blue) and red/0.png (red)",)
    assert any("several classes" in line and "red/0.png (red)" in line for line in images.remarks(changed))


def test_without_a_pipeline_a_packaged_network_becomes_a_classifier(data, here):
    (data / "red/damaged.png").write_bytes(b"damaged")
    assert farfield("evaluate", data).exit_code == 0
    table = pd.read_csv("evaluation/evaluation.csv").set_index("classifier")
    assert set(table.index) == {"pixels", "colours", "hog", "lite0", "lite0_stages", "lite0_maps"}
    assert table["written"].sum() == 1
    assert table.loc["colours", "accuracy"] == 100
    report = Path("evaluation/report.md").read_text()
    assert "27 images of 3 classes" in report
    assert "always saying the largest class is right in 33.3 %" in report
    assert "red/damaged.png (not an image that Pillow knows)" in report
    described = read_json(Path("evaluation/classifier/classifier.json"))
    assert described["facts"]["accuracy"] == pytest.approx(
        table.loc[table["written"], "accuracy"].item(), abs=0.01
    )
    assert described["facts"]["class_images"] == {"blue": 9, "green": 9, "red": 9}
    assert "Apache-2.0" in described["facts"]["licence"]
    assert Path("evaluation/classifier/model.onnx").stat().st_size > 1000
    said = farfield("predict", "evaluation/classifier", data)
    assert said.exit_code == 3
    assert "red/damaged.png: not an image" in said.stderr
    rows = list(csv.DictReader(io.StringIO(said.stdout)))
    assert [Path(row["path"]).parent.name for row in rows] == [row["class"] for row in rows]


def test_a_network_that_does_not_exist_is_named(data, here):
    said = farfield("evaluate", data, "--network", "lite9")
    assert said.exit_code == 1
    assert "no network 'lite9'; there are lite0, lite1, lite2" in said.stderr
    assert not Path("evaluation").exists()


def test_cards_name_what_a_network_has_seen():
    cards = json.loads(farfield("networks", "--json").stdout)
    assert [card["name"] for card in cards] == ["lite0", "lite1", "lite2"]
    assert all("ImageNet-1k" in card["pretrained_on"] and card["licence"] for card in cards)


def test_commands_of_the_pipeline_need_a_checkout(here):
    said = farfield("compose")
    assert said.exit_code == 1
    assert "lies in no checkout of farfield" in said.stderr


def test_a_damaged_copy_is_decoded_anew(data, here, capsys):
    good = np.array(own_images(data, Packing(18), 1).images)
    [path] = Path(".farfield/own-images").rglob("images.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    assert np.array_equal(own_images(data, Packing(18), 1).images, good)
    assert "was damaged on disk" in capsys.readouterr().err


def test_a_whole_copy_is_read_once(data, here):
    first = own_images(data, Packing(18), 1)
    with pytest.MonkeyPatch.context() as unread:
        unread.setattr(images, "_sums", None)
        assert np.array_equal(own_images(data, Packing(18), 1).images, first.images)
    (first.folder / "packed/images.npy").touch()
    (first.folder / "sums.json").write_text("{}")
    assert np.array_equal(own_images(data, Packing(18), 1).images, first.images)
    assert json.loads((first.folder / "sums.json").read_text())


def test_the_copy_of_other_images_is_not_taken_for_ones_own(data, here, capsys):
    other = here / "other"
    shutil.copytree(data, other)
    image = next(other.rglob("*.png"))
    Image.eval(Image.open(image).convert("RGB"), lambda value: 255 - value).save(image)
    first, second = own_images(data, Packing(18), 1), own_images(other, Packing(18), 1)
    right = np.array(second.images)
    for name in ("packed", "sums.json", "seen.json"):
        place = second.folder / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        subprocess.run(["cp", "-al", first.folder / name, place], check=True)
    assert np.array_equal(own_images(other, Packing(18), 1).images, right)
    assert "was damaged on disk" in capsys.readouterr().err


@pytest.mark.parametrize("left", [b"", b"{", b"\xff\xfe", b"[]"])
def test_damaged_sums_are_damage_too(data, here, left):
    first = own_images(data, Packing(18), 1)
    (first.folder / "sums.json").write_bytes(left)
    (first.folder / "seen.json").write_bytes(left)
    assert np.array_equal(own_images(data, Packing(18), 1).images, first.images)
    shutil.rmtree(first.folder / "packed")
    assert own_images(data, Packing(18), 1).fingerprint == first.fingerprint


def test_an_image_that_vanishes_is_named(data, here, monkeypatch):
    def vanishing(folder):
        found = class_folders(folder)
        (folder / "red/1.png").unlink()
        return found

    monkeypatch.setattr(images, "labelled_images", vanishing)
    with pytest.raises(InputError, match=r"red/1\.png is no longer there"):
        own_images(data, Packing(18), 1)


def test_an_image_that_changes_before_it_is_decoded_is_noticed(data, here, monkeypatch):
    packed = images.pack

    def late(*given, **options):
        (data / "red/1.png").write_bytes((data / "red/2.png").read_bytes())
        packed(*given, **options)

    with monkeypatch.context() as patched:
        patched.setattr(images, "pack", late)
        with pytest.raises(InputError, match="mine changed while it was read"):
            own_images(data, Packing(18), 1)
    assert own_images(data, Packing(18), 1).repeated == 2  # and what was decoded meanwhile is not taken


def test_labels_in_a_list_give_splits_and_groups(data, here):
    table = "path,label,split,patient\n" + "".join(
        f"{name}/{i}.png,{name},{'test' if i > 6 else 'train'},p{i}\n"
        for name in ("red", "blue")
        for i in range(9)
    )
    (data / "labels.csv").write_text(table)
    own = own_images(data / "labels.csv", Packing(18), 1)
    assert own.counts == {"blue": 9, "red": 9}
    assert sorted(set(own.splits)) == ["test", "train"]
    assert list(own.groups[:3]) == ["p0", "p1", "p2"]
    said = json.loads(farfield("evaluate", data / "labels.csv", "--json").stdout)
    assert said["test_split"]["percent"] == 100
    assert said["test_split"]["low"] == pytest.approx(
        100 * 4 / (4 + 1.959964**2), abs=0.01
    )  # Wilson's, all right
    assert said["groups"] == 9


def test_what_is_doubted_is_not_what_the_classifier_says_of_itself(here):
    draw = np.random.default_rng(0)
    for thing in range(24):
        squares = draw.integers(0, 256, (4, 4, 3)).repeat(12, 0).repeat(12, 1)
        for view in range(4):
            folder = here / f"images/{'ab'[thing % 2]}"
            folder.mkdir(parents=True, exist_ok=True)
            seen = np.clip(squares + draw.normal(0, 40, squares.shape), 0, 255).astype(np.uint8)
            Image.fromarray(seen).save(folder / f"thing{thing}_{view}.png")
    said = farfield("evaluate", here / "images", "--pixels", 48, "--json")
    assert said.exit_code == 0, said.stderr
    answer = json.loads(said.stdout)
    together = min(leak["together"] for leak in answer["leakage"] if leak["misleading"])
    assert together < answer["accuracy"]["percent"] - 10
    facts = read_json(Path("evaluation/classifier/classifier.json"))["facts"]
    assert facts["accuracy"] == facts["metrics"]["accuracy_of_other_things"]["percent"] == together
    card = Path("evaluation/classifier/README.md").read_text()
    assert all(f"**Read this first.** {doubt}" in card for doubt in facts["doubts"])
    assert f"accuracy is {together:.1f} %" in card
    assert "48 x 48 of each image" in Path("evaluation/report/index.html").read_text()


def test_a_network_of_timm_becomes_a_classifier(data, here, monkeypatch):
    torch.manual_seed(0)
    save_tensors(here / "w.safetensors", timm.create_model("resnet10t").state_dict())
    chosen = ("--network", "timm/resnet10t", "--weights", "w.safetensors", "--pixels", 48)
    refused = farfield("evaluate", data, *chosen, "--licence", "cc-by-nc-4.0")
    assert refused.exit_code == 1
    assert "under cc-by-nc-4.0 (non-commercial)" in refused.stderr
    assert not Path("evaluation").exists()
    said = farfield("evaluate", data, *chosen, "--licence", "cc-by-nc-4.0", "--accept-licence")
    assert said.exit_code == 0, said.stderr
    assert "timm/resnet10t [non-commercial], its features" in Path("evaluation/report.md").read_text()
    described = read_json(Path("evaluation/classifier/classifier.json"))
    assert (described["backbone"], described["image_size"]) == ("timm/resnet10t", 48)
    assert "cc-by-nc-4.0" in described["facts"]["licence"]
    rows = list(csv.DictReader(io.StringIO(farfield("predict", "evaluation/classifier", data).stdout)))
    assert [Path(row["path"]).parent.name for row in rows] == [row["class"] for row in rows]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("timm/resnet10u",), "has no network 'resnet10u'; near it are resnet10t"),
        (("timm/resnet10t",), "are not on this machine"),
        (("torchvision/resnet18",), "needs its weights"),
        (("none.onnx",), "there is no ONNX file at none.onnx"),
        (("lite0", "--weights", "w.safetensors"), "brings its weights in a package"),
        (("lite0", "--mean", "0.5"), "mean and std are given together"),
        (("lite0", "--mean", "nan", "--std", "1"), "mean must be 3 numbers of pixels in 0..1"),
        (("lite0", "--mean", "0", "--std", "inf"), "std must be 3 numbers of pixels in 0..1"),
    ],
)
def test_networks_that_cannot_be_used_are_one_message(data, here, words, message):
    said = farfield("evaluate", data, "--network", *words)
    assert said.exit_code == 1
    assert message in said.stderr
    assert said.stderr.count("\n") == 1
    assert not Path("evaluation").exists()


def test_networks_of_libraries_have_cards(here):
    said = farfield("networks", "timm/resnet18.fb*", "torchvision/resnet18")
    assert said.exit_code == 0
    assert "cc-by-nc-4.0 [non-commercial]" in said.stdout
    [card] = json.loads(farfield("networks", "--json", "timm/vit_small_patch16_dinov3").stdout)
    assert (card["terms"], card["image_size"], card["installed"]) == ("own terms", 256, False)
    assert "miniimagenet" in card["not_for"]
    assert farfield("networks", "timm/nothing*").exit_code == 1


def test_paths_that_cannot_be_written_are_one_message(data, here):
    Path("afile").write_text("mine")
    for words, message in (
        (("evaluate", data, "--out", "afile"), "afile is a file, so afile cannot be the output folder"),
        (("evaluate", data, "--out", "afile/more"), "is a file, so afile/more cannot be the output folder"),
        (("predict", "nowhere", data, "--out", "."), ". is a folder; give the name of the file"),
        (("predict", small_classifier(here / "it"), data, "--out", "afile/answers.csv"), "afile: "),
    ):
        said = farfield(*words)
        assert said.exit_code == 1
        assert said.stderr.startswith("error: ")
        assert message in said.stderr
    assert Path("afile").read_text() == "mine"


def small_classifier(folder: Path, bias: float = 0.0) -> Path:
    folder.mkdir()
    description = Description(("a", "b"), 16, Packing(size=18), "conv4", 4, None)
    backbone = description.architecture()
    head = Head(torch.randn(2, backbone.feature_dim), torch.full((2,), bias))
    save_classifier(folder, ImageClassifier(backbone, head).eval(), description)
    return folder


@pytest.mark.parametrize("form", ["csv", "json"])
def test_answers_of_an_earlier_run_that_were_damaged_are_refused(data, here, form):
    classifier = small_classifier(here / "it")
    words = ("predict", classifier, data, "--out", "answers", *(["--json"] if form == "json" else []))
    assert farfield(*words).exit_code == 0
    whole = Path("answers").read_bytes()
    left = Path(f"answers.{work_of(classifier, [data])}.{form}.partial")
    lines = whole.splitlines(keepends=True)
    left.write_bytes(b"".join(lines[:4]) + lines[4][:5])  # as a kill leaves it
    assert farfield(*words).exit_code == 0
    assert Path("answers").read_bytes() == whole
    left.write_bytes(b"".join([*lines[:2], lines[2].replace(b",", b";", 9), lines[3]]))
    said = farfield(*words)
    assert said.exit_code == 1
    assert f"what an earlier run left, in {left}, was damaged since" in said.stderr
    assert Path("answers").read_bytes() == whole


def test_what_was_begun_of_other_images_is_not_continued(data, here):
    classifier = small_classifier(here / "it")
    words = ("predict", classifier, data, "--out", "answers")
    assert farfield(*words).exit_code == 0
    whole = Path("answers").read_bytes()
    left = Path(f"answers.{work_of(classifier, [data])}.csv.partial")
    left.write_bytes(b"".join(whole.splitlines(keepends=True)[:4]))
    other, image = here / "other", next(data.rglob("*.png"))
    shutil.copytree(data, other)
    said = farfield("predict", classifier, other, "--out", "answers")
    assert "are done already" not in said.stderr
    assert str(data / "red") not in Path("answers").read_text().replace(str(other), "")
    os.utime(image, (1, 1))
    assert "are done already" not in farfield(*words).stderr
    assert Path("answers").read_bytes() == whole
    assert left.exists()


def test_an_answer_that_is_no_number_is_none(data, here):
    said = farfield("predict", small_classifier(here / "it", float("nan")), data / "red/0.png")
    assert said.exit_code == 1
    assert "red/0.png: the network's answer is nan or infinite" in said.stderr


def test_help_reads_as_a_table_of_contents(here):
    said = farfield("--help").stdout
    titles = ["Your own images:", "Networks, and this machine:", "The studies, in a checkout:"]
    places = [said.index(title) for title in titles]
    assert places == sorted(places)
    for name in main.commands:
        assert f"  {name} " in said, f"{name} stands in no section"


def test_words_are_completed(here):
    said = farfield_completes("farfield ev")
    assert "evaluate" in said


def farfield_completes(line: str) -> str:
    environment = {"_FARFIELD_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": "1"}
    return CliRunner().invoke(main, env=environment, prog_name="farfield").output


def test_groups_come_from_paths_or_from_the_labels():
    paths = ("blue/p1_0.png", "red/p1_1.png", "red/p22_0.png")
    assert groups_by("(p[0-9]+)_", paths).tolist() == [0, 0, 1]
    for pattern, message in (
        ("(p", "is no regular expression"),
        ("p[0-9]+", "has 0 groups"),
        ("(p)([0-9])", "has 2 groups"),
        ("(p[0-9]{2})_", r"not found in 2 of 3 paths: blue/p1_0\.png, red/p1_1\.png"),
    ):
        with pytest.raises(InputError, match=message):
            groups_by(pattern, paths)
    assert groups_given(np.array(["", ""])) is None
    one, other, alone, again = groups_given(np.array(["a", "b", "", "a"]))
    assert one == again
    assert len({one, other, alone}) == 3


def test_classes_of_which_nothing_can_be_left_out_are_named(data, here):
    own = own_images(data, Packing(18), 1)
    with pytest.raises(InputError, match="every group is a class"):
        require_testable(own, groups_by("^([^/]+)/", own.paths))
    with pytest.raises(InputError, match="all images of red are in one group"):
        require_testable(own, groups_by("(red|[0-9])", own.paths))
    require_testable(own, groups_by("([0-9])", own.paths))
    for place in range(1, 9):
        (data / f"green/{place}.png").write_bytes(b"damaged")
    said = farfield("evaluate", data)
    assert said.exit_code == 1
    assert "green has fewer. Left out there: green/1.png" in said.stderr


def test_files_of_which_some_cannot_be_read_are_named_and_the_rest_is_answered(data, here):
    """A long strip is an image like any other; what claims more pixels than memory should hold is not opened."""
    Image.fromarray(np.full((20, 20_000, 3), (220, 30, 30), np.uint8)).save(data / "red/strip.png")
    (data / "green/vast.png").write_bytes(claiming(20_000))
    (data / "blue/cut.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    said = json.loads(farfield("evaluate", data, "--json").stdout)
    assert said["images"] == 28
    assert set(said["left_out"]) == {"green/vast.png", "blue/cut.jpg"}
    assert "too many pixels" in said["left_out"]["green/vast.png"]
    assert any("2 files are left out: blue/cut.jpg" in note for note in said["notes"])
    with limited_memory(2**29):
        asked = farfield("predict", "evaluation/classifier", data / "green", data / "red/strip.png")
    assert asked.exit_code == 3
    assert "green/vast.png: too many pixels" in asked.stderr
    rows = list(csv.DictReader(io.StringIO(asked.stdout)))
    assert [row["class"] for row in rows] == 9 * ["green"] + ["red"]


def claiming(side: int) -> bytes:
    """A small PNG of side x side pixels, in black and white."""
    rows = zlib.compress(bytes((1 + side // 8) * side), 1)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


@contextlib.contextmanager
def limited_memory(more: int):
    """`more` bytes of addresses than there are now."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
