"""How a stage starts and ends."""

import inspect
import os
import sys
from collections.abc import Callable

from farfield.errors import one_message
from stages.frame.inputs import require_whole


def run(main: Callable[..., None]) -> None:
    """Call `main` with the command line's words; exit with one message if something given is wrong.

    What DVC starts looks first whether its inputs are whole.
    """
    names = list(inspect.signature(main).parameters)
    module = getattr(sys.modules["__main__"].__spec__, "name", "stage")
    if len(sys.argv) - 1 != len(names):
        sys.exit(f"usage: python -m {module} {' '.join(f'<{name}>' for name in names)}")
    with one_message():
        if "DVC_STAGE" in os.environ and module.startswith("stages."):
            require_whole(" ".join([module.removeprefix("stages."), *sys.argv[1:]]))
        main(*sys.argv[1:])
