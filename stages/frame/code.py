"""Which code a run is of, as Git knows it."""

import subprocess

from farfield.report.provenance_page import Code

# What results follow from. Locks, metrics and documents are not among them, so that committing what a run left
# makes it no other run.
SOURCES = ("farfield", "stages", "conf", "params.yaml", "requirements.lock", ":(glob)**/dvc.yaml")


def code() -> Code:
    """Of the checkout that this process runs in. A shallow clone does not know which commit changed what."""
    if _git("rev-parse", "--is-shallow-repository") != "false":
        return {"commit": "", "date": "", "changed": False}
    commit, _, date = _git("log", "-1", "--format=%H %cs", "--", *SOURCES).partition(" ")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *SOURCES)
    return {"commit": commit, "date": date, "changed": bool(changed)}


def _git(*words: str) -> str:
    """What it prints, without the last line's end; empty where there is no Git or no repository."""
    try:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
