"""How a stage starts and ends."""

import inspect
import sys
from collections.abc import Callable

from farfield.errors import one_message


def run(main: Callable[..., None]) -> None:
    """Call `main` with the command line's words; exit with one message if something given is wrong."""
    names = list(inspect.signature(main).parameters)
    if len(sys.argv) - 1 != len(names):
        module = getattr(sys.modules["__main__"].__spec__, "name", "stage")
        sys.exit(f"usage: python -m {module} {' '.join(f'<{name}>' for name in names)}")
    with one_message():
        main(*sys.argv[1:])
