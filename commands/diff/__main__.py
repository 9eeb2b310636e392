"""`python -m commands.diff BASE [HEAD]`, which is `farfield diff`. Exit codes: 0 compared, whether or not
anything differs; 1 it cannot compare, one message says why; 2 the command line is wrong."""

import argparse
import logging
import sys
from pathlib import Path

from commands.diff import shown
from commands.diff.objects import Objects
from commands.diff.revision import WORKSPACE, commit, workspace
from commands.diff.told import told
from farfield.errors import InputError, one_message


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="farfield diff", description="What did a change do to the results? Runs and checks out nothing."
    )
    parser.add_argument("base", metavar="BASE", help="a commit, branch, tag or experiment")
    parser.add_argument(
        "head", metavar="HEAD", nargs="?", default=WORKSPACE, help="another; else the workspace"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="for a comment on a pull request")
    form.add_argument("--json", action="store_true", help="every cell")
    parser.add_argument("--html", type=Path, metavar="FOLDER", help="write a page with a plot too")
    given = parser.parse_args(words)
    if not Path(".dvc").is_dir():
        raise InputError(f"{Path.cwd()} is no root of a DVC repository, where .dvc is")
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.ERROR)
    try:
        with Repo() as repo:
            before = commit(repo, given.base)
            after = workspace(repo) if given.head == WORKSPACE else commit(repo, given.head)
            found = told(Objects(repo), before, after)
    except DvcException as error:
        raise InputError(f"DVC cannot read this checkout: {error}") from error
    form_of = shown.as_json if given.json else shown.markdown if given.markdown else shown.text
    print(form_of(found))
    if given.html:
        from commands.diff.page import write_page

        write_page(given.html, found)
        print(f"{given.html / 'index.html'} shows it", file=sys.stderr)


if __name__ == "__main__":
    with one_message():
        main(sys.argv[1:])
