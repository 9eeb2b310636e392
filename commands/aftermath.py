"""What a run changed of the files that Git tracks, and why: the last lines of `make repro`."""

import logging

from commands.diff.causes import causes
from commands.diff.revision import commit, git, workspace
from farfield.errors import InputError, first_few

GENERATED = ("params", "metrics", ":(glob)**/dvc.lock")
SHOWN = 3


def aftermath() -> list[str]:
    """Nothing where no tracked file differs, or there is no commit with results to differ from."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    level = logging.getLogger("dvc").level
    try:
        if not (differ := git("status", "--porcelain", "--", *GENERATED).splitlines()):
            return []
        with Repo() as repo:
            before, after = commit(repo, "HEAD"), workspace(repo)
    except (InputError, DvcException):
        return []
    finally:
        logging.getLogger("dvc").setLevel(level)
    outs = [path for path, oid in after.outs.items() if before.outs.get(path, oid) != oid]
    found = causes(before, after, outs)
    files = f"{len(differ)} files in params/, metrics/ and dvc.lock differ from the last commit"
    if outs and found.another_machine:
        return [
            f"{files}, and nothing that makes them does: parameters, code and data are the same. Another kind of "
            f"processor rounds differently, and what is trained ends a little elsewhere.",
            "To go on from your numbers: `make regenerate` commits them. To have the committed ones back: "
            f"`git restore {' '.join(repr(one) if ':' in one else one for one in GENERATED)}`. "
            "How far they are apart: `farfield diff HEAD`.",
        ]
    why = list(dict.fromkeys(str(cause) for own in found.by_out.values() for cause in own))
    of = f", of {first_few(why, shown=SHOWN)}" if why else ""
    return [f"{files}{of}. `farfield diff HEAD` says what that did; `make regenerate` commits them."]
