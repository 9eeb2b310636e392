"""Options that several commands take."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from farfield.local import Local, load_local

if TYPE_CHECKING:
    from farfield.datasets.cards import Channels


class Bands(click.ParamType):
    """Numbers of bands with commas, each once, or all."""

    name = "bands"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Channels":
        if not isinstance(value, str):
            return tuple(value)
        if value.strip().lower() == "all":
            return "all"
        words = value.split(",")
        numbers = tuple(int(word) for word in words if word.strip().isdecimal())
        if len(numbers) < len(words) or min(numbers) < 1 or len(set(numbers)) < len(numbers):
            self.fail(
                f"{value!r} is not all, nor numbers from 1, each once, with commas, as in 8,4,3", param, ctx
            )
        return numbers


def machine(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options for what this machine decides; without them it is as `farfield.local` says."""
    command = click.option("--device", help="auto, cpu, cuda, cuda:1 ...  [FARFIELD_DEVICE]")(command)
    return click.option(
        "--workers", type=click.IntRange(1), help="Threads that decode images.  [FARFIELD_WORKERS]"
    )(command)


def local_of(device: str | None, workers: int | None) -> Local:
    given = {"device": device, "workers": workers}
    return load_local().model_copy(update={name: value for name, value in given.items() if value is not None})
