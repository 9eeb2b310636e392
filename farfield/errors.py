"""The one exception that a user is meant to read, and how a program ends with it."""

import contextlib
import errno
import sys
from collections.abc import Iterator, Sequence

# A full disk, a full quota, a file beyond the allowed size.
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class InputError(ValueError):
    """Something given to farfield is wrong: a parameter, an archive, an image, a label.

    The message is for the person who meets it: it names the file or key, what was found, what was
    expected and what to do. Stages print it alone, without a traceback, and exit with status 1.
    """


def first_few(things: Sequence[str], between: str = ", ", shown: int = 5) -> str:
    """The first of many for a message, and how many more there are."""
    more = f" and {len(things) - shown} more" if len(things) > shown else ""
    return between.join(things[:shown]) + more


@contextlib.contextmanager
def one_message() -> Iterator[None]:
    """Exit with one message, no traceback and status 1 if something given is wrong or the disk is full."""
    try:
        yield
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        print(
            f"error: no space left while writing {error.filename or 'an output'} ({error.strerror}). Nothing "
            f"was half-written: free some space and run the same command again, it continues where it can.",
            file=sys.stderr,
        )
    else:
        return
    sys.exit(1)
