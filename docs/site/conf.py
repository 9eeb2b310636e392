"""How Sphinx makes a site of the README, CONTRIBUTING, docs/ and the docstrings: `make docs`.

Nothing on its pages comes from a network. Docstrings are prose, no markup: stars and bars stand for themselves,
and indented lines are shown as they are.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

project = "farfield"
author = "The farfield authors"
project_copyright = "The farfield authors, Apache-2.0"
html_show_sphinx = False
root_doc = "docs/site/index"

extensions = ["myst_parser", "sphinx.ext.apidoc", "sphinx.ext.autodoc"]
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "data/README.md",
    "docs/*.md",
    "docs/site/**",
    "pipelines/**/README.md",
]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]  # links to code, and diagrams

# From the docstrings, a page a package; written beside this file, not committed.
apidoc_modules = [{"path": str(ROOT / "farfield"), "destination": "docs/site/api"}]
apidoc_module_first = True
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # torch's speak of its own hooks
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
default_role = "code"

html_theme = "furo"
html_title = "farfield"
html_copy_source = False
html_show_sourcelink = False


def plain(docstring: list[str]) -> list[str]:
    """The lines of a docstring as reStructuredText that says what they say."""
    found: list[str] = []
    inside = False
    for line in docstring:
        if line.startswith(" ") and not inside:
            found += ["", "::", ""]
        elif inside and line and not line.startswith(" "):
            found.append("")
        inside = line.startswith(" ") or (inside and not line)
        words = re.sub(r"([\\*|]|_(?=\W|$))", r"\\\1", line)
        found.append(line if inside else re.sub(r"(`[^`]+`)(?=\w)", r"\1\\ ", words))
    return found


def _process(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = plain(lines)


def setup(app) -> None:  # type: ignore[no-untyped-def]
    app.connect("autodoc-process-docstring", _process)
