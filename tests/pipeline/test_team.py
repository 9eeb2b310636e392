"""What README says of sharing, done against a folder, an S3 server and an sshd; and what DVC then compares."""

import re

import pytest

from tests.pipeline.clones import ROOT, Clone
from tests.pipeline.servers import Remote, add_remote, folder, remote, s3, started
from tests.unit.made_up_repository import Repository

__all__ = ["remote"]


@pytest.fixture
def repository(tmp_path) -> Repository:
    """A commit with results, and one with others, of which no remote knows."""
    made = Repository(tmp_path / "house")
    for epochs, difference in ((100, 1.0), (200, 3.0)):
        made.stage(
            "pipelines/a/train", "pipelines/a/results/row", {"costs.json": b"%d" % epochs}, epochs=epochs
        )
        made.claims = {"crossdomain": {"a_above_b": {"verdict": "undecided", "difference": difference}}}
        made.commit()
    return made


def commands(first: str) -> list[list[str]]:
    """The commands of README's block that begins with `first`, without comments."""
    text = (ROOT / "README.md").read_text()
    [block] = [found[1:] for found in text.split("```")[1::2] if found.startswith(f"\n{first}")]
    return [line.split("#")[0].replace('"A remote"', "remote").split() for line in block.splitlines()]


def with_url(words: list[str], remote: Remote) -> list[str]:
    return [remote.url if word.startswith("s3://") else word for word in words]


def test_what_readme_says_leaves_every_commit_comparable(repository, remote, tmp_path):
    here = Clone(repository.path)
    for words in commands("dvc remote add"):
        here.run(*with_url(words, remote))
    if "endpointurl" in remote.settings:  # of a server that is not Amazon's
        here.dvc("remote", "modify", "team", "endpointurl", remote.settings["endpointurl"])
        here.commit("endpoint")
    local = {name: value for name, value in remote.settings.items() if name != "endpointurl"}
    keys = local or ({"access_key_id": "a", "secret_access_key": "b"} if remote.url.startswith("s3:") else {})

    def with_keys(clone: Clone) -> None:
        """What must stand in .dvc/config.local, as README says it."""
        url, *_ = commands("dvc config --local")
        for name, value in keys.items():
            clone.run(*with_url(url, remote))
            clone.run("dvc", "config", "--local", f"remote.team.{name}", value)

    with_keys(here)
    here.dvc("push", "-q")
    here.run("git", "clone", "-q", str(here.path), str(tmp_path / "colleague"))
    colleague = Clone(tmp_path / "colleague")
    with_keys(colleague)
    colleague.dvc("pull", "-q")
    assert (colleague.path / "pipelines/a/results/row/costs.json").read_bytes() == b"200"
    before = here.run("git", "log", "--format=%H", "--reverse").split()[0]
    for clone in (here, colleague):
        told = clone.dvc("metrics", "diff", before, "--md")
        assert re.search(r"crossdomain.a_above_b.difference +\| 1.0 +\| 3.0 +\| 2.0", told), told
        assert "failed to load" not in told
        assert "epochs" in clone.dvc("params", "diff", before, "--md", "--targets", "params/all.json")


@pytest.mark.parametrize("remote", [folder], indirect=True, ids=["folder"])
def test_a_key_without_its_url_is_found_and_mended(repository, remote):
    here = Clone(repository.path)
    for words in commands("dvc remote add"):
        here.run(*with_url(words, remote))
    here.dvc("config", "--local", "remote.team.verify", "true")
    before = here.run("git", "log", "--format=%H", "--reverse").split()[0]
    assert "expected 'url'" in here.dvc("metrics", "diff", before)
    said = here.doctor(ok=False)
    assert ".dvc/config.local names the remote team without its URL" in said
    assert f"cure: dvc config --local remote.team.url {remote.url}" in said
    here.doctor("--repair")
    assert "failed to load" not in here.dvc("metrics", "diff", before)


@pytest.mark.parametrize(
    ("url", "settings", "reason"),
    [
        ("s3://nobody/farfield", {"endpointurl": "ENDPOINT"}, "there is no such bucket"),
        ("s3://team/farfield", {"endpointurl": "http://127.0.0.1:9"}, "nothing answers at that address"),
        ("ssh://127.0.0.1:9/farfield", {}, "nothing answers at that address"),
    ],
    ids=["bucket", "S3's port", "SSH's port"],
)
def test_the_doctor_says_why_a_remote_does_not_answer(
    repository, tmp_path, monkeypatch, url, settings, reason
):
    here = Clone(repository.path)
    with started(s3, tmp_path, monkeypatch) as running:
        endpoint = running.settings["endpointurl"]
        add_remote(here, url, {name: value.replace("ENDPOINT", endpoint) for name, value in settings.items()})
        said = here.run("python", "-m", "commands.doctor", "--remote", ok=False, PYTHONPATH=str(ROOT))
    assert re.search(rf"^error: .*({reason})", said, re.M), said
    assert "Traceback" not in said
    assert "Having any troubles" not in said
