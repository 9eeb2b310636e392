"""The documents as a site: each is on it, and no page loads anything from a network. `make docs` has Sphinx."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Without the docstrings, whose modules take minutes to import.
PLAIN = ("-D", "extensions=myst_parser,sphinx.ext.autodoc", "-D", "exclude_patterns=docs/site/api,docs/_site")


def test_every_document_is_on_the_site_and_loads_nothing_from_a_network(tmp_path):
    for package in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(package, reason="make docs brings it")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--quiet",
        "--conf-dir",
        "docs/site",
        *PLAIN,
        ".",
        str(tmp_path),
    ]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    warnings = [
        line for line in said.stderr.splitlines() if "WARNING" in line and "docs/site/api" not in line
    ]
    assert warnings == []
    index = (tmp_path / "docs/site/index.html").read_text(encoding="utf-8")
    for document in [*ROOT.glob("docs/*.md"), *ROOT.glob("pipelines/*/README.md"), ROOT / "README.md"]:
        page = document.relative_to(ROOT).with_suffix(".html")
        assert (tmp_path / page).is_file()
        assert f'href="../../{page.as_posix()}"' in index or f'href="../{page.name}"' in index, page
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"([^\"]+)\"", text)
        assert not [target for target in loaded if re.match(r"(https?:)?//", target)], page
    for style in tmp_path.rglob("*.css"):
        text = style.read_text(encoding="utf-8", errors="replace")
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import\s+(url\()?['\"]?(https?:)?//", text), style


def test_docstrings_say_on_the_site_what_they_say():
    core = pytest.importorskip("docutils.core", reason="make docs brings it")
    spec = importlib.util.spec_from_file_location("docs_conf", ROOT / "docs/site/conf.py")
    assert spec is not None and spec.loader is not None  # noqa: PT018
    conf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conf)
    lines = ["Scores [E, way * query] of `Head`s, a | b, name_.", "", "  x = 2 * y", "    + *z", "Then more."]
    document = core.publish_doctree("\n".join(conf.plain(lines)), settings_overrides={"report_level": 2})
    assert not [*document.findall(lambda node: node.tagname in ("system_message", "problematic"))]
    text = document.astext()
    assert "Scores [E, way * query] of Heads, a | b, name_." in text
    assert "x = 2 * y\n  + *z" in text
    assert text.endswith("Then more.")
