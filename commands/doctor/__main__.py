"""`python -m commands.doctor [--remote [NAME]] [--repair]`, which is `farfield doctor`. Exit codes are in
docs/reliability.md: 0 all is well, 1 it cannot look, 2 the command line is wrong, 3 something is wrong."""

import argparse
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from commands.doctor import machine, plan
from commands.doctor.contents import Contents, in_the_cache, in_the_workspace
from commands.doctor.finding import Finding
from commands.doctor.remote import in_the_remote, local_halves, trusting_remotes
from commands.doctor.runs import of_earlier_runs
from farfield.errors import InputError, one_message

WRONG = 3


def findings(remote: str | None) -> Iterator[Finding]:
    """All that is wrong here. remote: the name of one to look into, empty for the default one."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    yield from machine.versions()
    yield from machine.orphans(Path.cwd())
    yield from machine.locks()
    yield from plan.parameters()
    yield from plan.unfinished()
    yield from plan.damaged_scratch()
    if broken := list(plan.unreadable_files()):
        yield from broken
        return
    try:
        with Repo() as repo:
            contents = Contents(repo)
            contents.read()
            yield from machine.site_cache(repo)
            yield from in_the_cache(contents)
            yield from of_earlier_runs(repo)
            yield from in_the_workspace(contents)
            yield from plan.leftovers(contents)
            yield from plan.stale(repo, contents)
            yield from trusting_remotes(repo)
            yield from local_halves(repo)
            if remote is not None:
                yield from in_the_remote(repo, contents, remote)
    except DvcException as error:
        raise InputError(f"DVC cannot read this checkout: {error}") from error


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="farfield doctor", description="Is this checkout sound?")
    parser.add_argument(
        "--remote", nargs="?", const="", help="look into a remote too; without a name, the default one"
    )
    parser.add_argument(
        "--repair", action="store_true", help="mend what can be mended without losing anything"
    )
    given = parser.parse_args(words)
    if not Path(".dvc").is_dir():
        raise InputError(f"{Path.cwd()} is no root of a DVC repository, where .dvc is")
    logging.getLogger("dvc").setLevel(logging.ERROR)
    found = list(findings(given.remote))
    for finding in found:
        print(finding)
    if given.repair and (mendable := [finding for finding in found if finding.repair]):
        done = set()
        for finding in sorted(mendable, key=lambda finding: finding.order):
            if finding.repair and finding.repair not in done:
                print(f"repairing: {finding.what}", flush=True)
                finding.repair()
                done.add(finding.repair)
        found = list(findings(given.remote))
        print("\nAfter the repair:" if found else "")
        for finding in found:
            print(finding)
    if not found:
        print("all is well")
        return 0
    mendable = [finding for finding in found if finding.repair]
    print(f"{len(found)} things are wrong; `farfield doctor --repair` mends {len(mendable)} of them")
    return WRONG


if __name__ == "__main__":
    with one_message():
        sys.exit(main(sys.argv[1:]))
