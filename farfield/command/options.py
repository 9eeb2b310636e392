"""Options that several commands take."""

from collections.abc import Callable
from typing import Any

import click

from farfield.local import Local, load_local


def machine(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options for what this machine decides; without them it is as `farfield.local` says."""
    command = click.option("--device", help="auto, cpu, cuda, cuda:1 ...  [FARFIELD_DEVICE]")(command)
    return click.option(
        "--workers", type=click.IntRange(1), help="Threads that decode images.  [FARFIELD_WORKERS]"
    )(command)


def local_of(device: str | None, workers: int | None) -> Local:
    given = {"device": device, "workers": workers}
    return load_local().model_copy(update={name: value for name, value in given.items() if value is not None})
