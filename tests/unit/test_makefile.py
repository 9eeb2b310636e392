"""What people say to make arrives as they said it: a stand-in for python writes down what it is given."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = """#!{python}
import json, os, sys
json.dump([sys.argv[1:], os.environ.get("FARFIELD_MIRROR")], open("given", "w"))
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder with the Makefile and an installed environment of nothing but the stand-in."""
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/installed").touch()
    for name in ("python", "dvc"):
        (tmp_path / ".venv/bin" / name).write_text(STAND_IN.format(python=sys.executable))
        (tmp_path / ".venv/bin" / name).chmod(0o755)
    return tmp_path


def given(house: Path, *words: str) -> tuple[list[str], str | None]:
    subprocess.run(["make", "-s", *words], cwd=house, check=True, capture_output=True)
    return json.loads((house / "given").read_text())


@pytest.mark.parametrize(
    "name",
    [
        "my pics",
        "it's",
        "a$b",
        'a"b',
        "a`touch pwned`b",
        "$(shell touch pwned)",
        "a\nb",
        "a;b&c",
        "~/x #1",
        "-x",
    ],
)
@pytest.mark.parametrize("target", ["evaluate", "predict"])
def test_any_name_of_a_folder_arrives(house, name, target):
    said = name.replace("$", "$$")  # as make wants it
    variable = {"evaluate": "DATA", "predict": "IMAGES"}[target]
    words, _ = given(house, target, f"{variable}=/x/{said}")
    assert f"/x/{name}" in words
    assert not (house / "pwned").exists()


def test_names_of_commits_arrive(house):
    assert given(house, "diff", "BASE=a;b&c", "HEAD=it's")[0] == ["-m", "commands.diff", "a;b&c", "it's"]
    assert given(house, "diff", "BASE=main")[0] == ["-m", "commands.diff", "main"]


def test_other_words_of_evaluate_arrive(house):
    words, _ = given(house, "evaluate", "DATA=/x", "OUT=/my out", "METHODS=a,b", "SHOTS=3")
    assert words[2:] == ["/x", "--methods", "a,b", "--shots", "3", "--out", "/my out"]


@pytest.mark.parametrize(
    "mirror", ["http://127.0.0.1:80/a", "s3://bucket", "/my mirror/x", "~/mirror", "sub folder"]
)
def test_a_mirror_is_a_folder_or_a_url(house, mirror):
    assert given(house, "repro", "JOBS=1", f"MIRROR={mirror}")[1] == mirror
