"""docs/walk.md is true to the code: the functions and files that it names are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_function_that_the_walk_names_is_there():
    text = (ROOT / "docs/walk.md").read_text()
    named = re.findall(r"`([\w/]+\.py):(\w+)`", text)
    assert len(named) >= 20
    assert text.count(".py") == len(named)  # no file is named without its function
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        found = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        assert name in found, f"{path} has no {name}"


def test_the_walk_has_ten_lines():
    lines = (ROOT / "docs/walk.md").read_text().splitlines()
    assert [line.split(".")[0] for line in lines if re.match(r"\d+\. ", line)] == [
        str(number) for number in range(1, 11)
    ]
