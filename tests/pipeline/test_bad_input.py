"""Each kind of bad input: one message that says what to do, and nothing half-written."""

import hashlib
import io
import os
import resource
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import yaml
from PIL import Image

# Where the stages of one's own dataset are declared.
PLAN = {
    "download": "data/dvc.yaml:",
    "pack": "data/dvc.yaml:",
    "validate": "data/dvc.yaml:",
    "episodes": "pipelines/fewshot/dvc.yaml:",
}


def png(value: int) -> bytes:
    noise = np.random.default_rng(value).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def members(classes=6, images=9) -> dict[str, bytes]:
    return {
        f"2750/Class{c}/Class{c}_{i}.png": png(100 * c + i) for c in range(classes) for i in range(images)
    }


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def given(fresh, tmp_path):
    """Put an archive into a mirror and describe it as the dataset `mine`; change the card by keywords."""

    def give(archive: bytes, name: str = "mine.zip", **card) -> None:
        (tmp_path / "mirror").mkdir(exist_ok=True)
        (tmp_path / "mirror" / name).write_bytes(archive)
        entry = {
            "title": "Mine",
            "role": "target",
            "layout": "folder",
            "licence": "mine",
            "citation": "me",
            "archives": {name: {"path": name, "sha256": hashlib.sha256(archive).hexdigest()}},
            "options": {"root": "2750"},
        }
        target = {"shots": [5], "study": "crossdomain"}
        fresh.say(datasets={"mine": entry | card}, fewshot={"targets": {"mine": target}})

    return give


def fails(fresh, tmp_path, stage: str, mirror: str | None = None) -> str:
    """The one message of a stage that must fail; no output and no traceback may be left."""
    mirror = mirror if mirror is not None else str(tmp_path / "mirror")
    output = fresh.dvc("repro", f"{PLAN[stage]}{stage}@mine", ok=False, FARFIELD_MIRROR=mirror)
    assert "Traceback" not in output
    folder = {"download": "raw", "pack": "packed/target", "validate": "validated/target"}.get(stage)
    left = fresh.path / "data" / folder / "mine" if folder else fresh.path / "data/episodes/mine.npz"
    assert not left.exists()
    assert not [path for path in (fresh.path / "data").rglob("*.partial")]
    assert output.count("error: ") == 1, output
    return output[output.index("error: ") :]


def test_a_good_archive_passes(fresh, given, tmp_path):
    given(zipped(members()))
    fresh.dvc("repro", PLAN["episodes"] + "episodes@mine", FARFIELD_MIRROR=str(tmp_path / "mirror"))
    assert (fresh.path / "data/episodes/mine.npz").exists()


def test_wrong_checksum(fresh, given, tmp_path):
    given(zipped(members()), archives={"mine.zip": {"path": "mine.zip", "sha256": "0" * 64}})
    message = fails(fresh, tmp_path, "download")
    assert "mine.zip" in message
    assert "sha256" in message
    assert "0" * 64 in message


def test_missing_mirror(fresh, given, tmp_path):
    given(zipped(members()))
    assert str(tmp_path / "nowhere") in fails(fresh, tmp_path, "download", mirror=str(tmp_path / "nowhere"))


def test_no_mirror_and_no_address(fresh, given, tmp_path):
    given(zipped(members()), access="Ask the authors for mine.zip.")
    assert "Ask the authors for mine.zip." in fails(fresh, tmp_path, "download", mirror="")


@pytest.mark.parametrize(("pack", "name"), [(zipped, "mine.zip"), (tarred, "mine.tar.gz")])
def test_truncated_archive(fresh, given, tmp_path, pack, name):
    given(pack(members())[:-3000], name=name)
    assert name in fails(fresh, tmp_path, "pack")


@pytest.mark.parametrize(("pack", "name"), [(zipped, "mine.zip"), (tarred, "mine.tar.gz")])
def test_member_outside(fresh, given, tmp_path, pack, name):
    given(pack(members() | {"2750/../../../etc/passwd": b"x"}), name=name)
    message = fails(fresh, tmp_path, "pack")
    assert name in message
    assert "../../../etc/passwd" in message
    assert "truncated" not in message


def test_an_image_that_is_none_stops_validation_unless_the_card_allows_it(fresh, given, tmp_path):
    archive = zipped(members() | {"2750/Class1/readme.png": b"no image"})
    given(archive)
    message = fails(fresh, tmp_path, "validate")
    assert "2750/Class1/readme.png: not an image that Pillow knows" in message
    given(archive, expected={"unreadable": 1})
    fresh.dvc("repro", "data/dvc.yaml:validate@mine", FARFIELD_MIRROR=str(tmp_path / "mirror"))


def test_validation_names_the_offending_rows(fresh, given, tmp_path):
    twice = members() | {"2750/Class2/again.png": png(0)}
    given(zipped(twice), expected={"images": 54, "classes": 7})
    message = fails(fresh, tmp_path, "validate")
    assert "The number of images is the one the card expects." in message
    assert "found 55" in message
    assert "No file repeats the bytes of another" in message
    assert "2750/Class2/again.png" in message


def test_label_file_names_a_missing_image(fresh, given, tmp_path):
    files = {f"images/n0{c}00000{i}.jpg": png(c * 10 + i) for c in range(2) for i in range(3)}
    rows = "filename,label\n" + "".join(f"{name[7:]},{name[7:10]}\n" for name in files)
    files |= {"train.csv": (rows + "n0900000001.jpg,n09\n").encode()}
    files |= {f"{split}.csv": b"filename,label\n" for split in ("val", "test")}
    given(zipped(files), layout="split_csv", options={})
    message = fails(fresh, tmp_path, "pack")
    assert "train.csv" in message
    assert "n0900000001.jpg" in message


def test_too_few_classes(fresh, given, tmp_path):
    few = {f"2750/Small/{i}.png": png(900 + i) for i in range(2)}
    given(zipped(members(classes=4) | few))
    message = fails(fresh, tmp_path, "episodes")
    assert "mine cannot give 5-way 5-shot episodes with 3 queries" in message
    assert "Small has 2" in message


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("fewshot.wya", 5, "fewshot.wya: there is no such parameter"),
        ("fewshot.targets.leaves.shots", [-5], "fewshot.targets.leaves.shots.0"),
    ],
)
def test_unknown_parameter_and_negative_shot(fresh, key, value, message):
    assert message in fresh.compose(f"++{key}={value}", ok=False)
    before = (fresh.path / "params/fewshot.json").read_bytes()
    *path, last = key.split(".")
    for part in reversed(path):
        value, last = {last: value}, part
    with (fresh.path / "params.yaml").open("a") as file:
        file.write(yaml.safe_dump({last: value}))
    output = fresh.run("dvc", "repro", "data/dvc.yaml:download@leaves", ok=False)
    assert message in output
    assert "Traceback" not in output
    assert (fresh.path / "params/fewshot.json").read_bytes() == before


def test_params_edited_by_hand(fresh):
    path = fresh.path / "params/fewshot.json"
    path.write_text(path.read_text().replace('"way": 5', '"way": "five"'))
    output = fresh.run("python", "-m", "stages.episodes", "leaves", ok=False)
    assert output.startswith("error: params is not valid:\n- fewshot.way: ")
    path.write_text("{")
    assert "params/fewshot.json cannot be read" in fresh.run(
        "python", "-m", "stages.episodes", "leaves", ok=False
    )


def test_full_disk(fresh, given, tmp_path):
    """A limit on the size of files stands in for the full disk: both refuse the reservation of space."""
    given(zipped(members()))
    fresh.dvc("repro", PLAN["download"] + "download@mine", FARFIELD_MIRROR=str(tmp_path / "mirror"))
    limit = 20_000
    result = subprocess.run(
        [sys.executable, "-m", "stages.pack", "mine"],
        cwd=fresh.path,
        text=True,
        capture_output=True,
        # Python itself would cut its bytecode off at the limit, keep it, and stumble over it later.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert result.returncode == 1
    assert "error: no space left" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (fresh.path / "data/packed/target/mine").exists()
    fresh.run("python", "-m", "stages.pack", "mine")
    assert (fresh.path / "data/packed/target/mine/manifest.parquet").exists()


def test_a_folder_of_ones_own_is_a_target(fresh, given, tmp_path):
    for name, data in members().items():
        path = tmp_path / "my images" / name.removeprefix("2750/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    given(b"", archives={}, folder=str(tmp_path / "my images"), options={})
    fresh.dvc("repro", PLAN["episodes"] + "episodes@mine")
    assert (fresh.path / "data/episodes/mine.npz").exists()
