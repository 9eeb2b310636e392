"""The workflow for a fork: its steps on a repository whose results are there, and on ones where they are not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from made_up_repository import Repository

ROOT = Path(__file__).parents[2]
JOBS = yaml.safe_load((ROOT / ".github/workflows/farfield.yaml").read_text())["jobs"]
STEPS = {step["name"]: step["run"] for step in JOBS["results"]["steps"] if "run" in step}
GH = """#!/bin/sh
echo "$@" > gh.said
while [ "$1" != --body-file ]; do shift; done
cp "$2" comment.md
"""


@pytest.fixture
def repository(tmp_path) -> Repository:
    made = Repository(tmp_path / "house")
    for epochs in (100, 200):
        made.stage(
            "pipelines/a/train", "pipelines/a/results/row", {"costs.json": b"%d" % epochs}, epochs=epochs
        )
        made.commit()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gh").write_text(GH)
    (tmp_path / "bin/gh").chmod(0o755)
    return made


def run(repository: Repository, step: str, **environment: str) -> tuple[int, str]:
    """As a runner does it: bash that stops at the first command that fails."""
    programs = [str(repository.path.parent / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[step]],
        cwd=repository.path,
        env=os.environ
        | {"PATH": os.pathsep.join(programs), "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
        | {"DVC_SITE_CACHE_DIR": str(repository.path.parent / "site-cache")}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def test_results_that_are_pushed_pass_and_others_do_not(repository):
    locks, pushed = "The locks are those of this commit", "The remote has every result"
    status, said = run(repository, locks)
    assert status == 0, said
    status, said = run(repository, pushed)
    assert status == 0, said
    assert "names no remote" in said

    team = repository.path.parent / "team"
    (repository.path / ".dvc/config").write_text(
        f"[core]\n    remote = team\n['remote \"team\"']\n    url = {team}\n"
    )
    status, said = run(repository, pushed)
    assert status == 1
    assert "::error::" in said
    assert "pipelines/a/results/row" in said
    repository.push(team)
    status, said = run(repository, pushed)
    assert status == 0, said

    params = repository.path / "params/all.json"
    params.write_text(params.read_text().replace("200", "300"))
    status, said = run(repository, locks)
    assert status == 1
    assert "::error::These stages have changed and not run" in said


def test_what_a_pull_request_did_is_its_comment(repository):
    summary = repository.path.parent / "summary.md"
    base = repository.git("rev-parse", "HEAD~1").strip()
    facts = {"GITHUB_STEP_SUMMARY": str(summary), "BASE": base, "PULL": "7"}
    status, said = run(repository, "What this did", **facts)
    assert status == 0, said
    comment = (repository.path / "comment.md").read_text()
    assert comment.startswith(f"### {base} ({base[:7]}) → HEAD")
    assert summary.read_text() == comment
    assert (repository.path / "gh.said").read_text().split()[:3] == ["pr", "comment", "7"]

    status, said = run(repository, "What this did", **(facts | {"BASE": "0" * 40}))
    assert status == 0, said
    assert "cannot be told" in (repository.path / "comment.md").read_text()


def test_every_action_is_of_a_version_and_nothing_may_write_but_the_comment():
    text = (ROOT / ".github/workflows/farfield.yaml").read_text()
    uses = [step["uses"] for job in JOBS.values() for step in job["steps"] if "uses" in step]
    assert all(one.startswith("actions/") and "@v" in one for one in uses)
    assert text.count("write") == 1 + text.count("may not write")
    # What a stranger can name, as a branch, reaches no shell as text of a command.
    assert not [run for run in STEPS.values() if "${{" in run]
