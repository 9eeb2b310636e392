"""How a stage starts and ends."""

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from functools import partial

from farfield.errors import one_message
from farfield.local import load_local
from stages.frame.inputs import require_whole

# Work in one piece, which a cluster does on one of its nodes. The others hand it their pieces themselves, or are
# done before a node had loaded torch.
WHOLE = {"pretrain", "embed", "views", "spine", "transfer", "transductive", "metatest", "warmup", "search"}


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
        if not on_a_node(module.removeprefix("stages."), sys.argv[1:]):
            main(*sys.argv[1:])


def on_a_node(stage: str, words: list[str]) -> bool:
    """Do the whole stage on a node, if there is a cluster and it is such a stage; whether it was done."""
    if stage not in WHOLE:
        return False
    local = load_local()
    if local.cluster is None or local.processes > 1:  # which torchrun has of this machine
        return False
    from stages.frame.executor import device_of, executor

    device = device_of(local)
    with executor(local, device) as elsewhere:
        for _ in elsewhere.map(partial(_do, stage, str(device)), [words]):
            pass
    return True


def _do(stage: str, device: str, words: list[str]) -> None:
    os.environ["FARFIELD_DEVICE"] = device
    importlib.import_module(f"stages.{stage}").main(*words)
