"""The wheel: what `pip install` of it brings, and nothing of the checkout around it."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Built by the backend that pyproject.toml names, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def facts_of(wheel: zipfile.ZipFile) -> str:
    """The folder of its facts; its name holds the version, which is that of the last tag."""
    [folder] = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    assert re.fullmatch(r"farfield-\d+\.\d+(\.\w+)*\.dist-info", folder)
    return folder


def test_it_holds_the_package_and_its_cards(wheel):
    names = set(wheel.namelist())
    for path in (ROOT / "farfield").rglob("*.py"):
        assert path.relative_to(ROOT).as_posix() in names
    for card in (ROOT / "conf/network").glob("*.yaml"):
        assert wheel.read(f"farfield/networks/cards/{card.name}") == card.read_bytes()
    assert {name.split("/")[0] for name in names} == {"farfield", facts_of(wheel)}
    assert f"{facts_of(wheel)}/licenses/LICENSE" in names
    assert "farfield/py.typed" in names  # its types are for those who import it


def test_its_command_starts_from_what_it_holds_alone(wheel, tmp_path):
    points = wheel.read(f"{facts_of(wheel)}/entry_points.txt").decode()
    assert "farfield = farfield.command.main:main" in points
    wheel.extractall(tmp_path / "site")
    code = "import farfield.command.main as m; print(m.__file__); m.main(['networks'])"
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(str(tmp_path / "site"))
    for name in ("lite0", "lite1", "lite2"):
        assert f"| {name} " in said.stdout


def test_its_extras_are_those_that_messages_name(wheel):
    facts = wheel.read(f"{facts_of(wheel)}/METADATA").decode()
    assert {
        line.removeprefix("Provides-Extra: ") for line in facts.splitlines() if "Provides-Extra" in line
    } >= {
        "imagenet",
        "onnx",
        "timm",
    }
