"""Options that say which network, for commands that take one."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from farfield.networks.cards import NetworkCard

NETWORK = "One of `farfield networks`, timm/NAME, torchvision/NAME, or a file .onnx or .safetensors."


class Numbers(click.ParamType):
    """One number, or one a channel with commas."""

    name = "numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        try:
            given = tuple(float(word) for word in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a number, or three with commas, as in 0.5,0.5,0.5", param, ctx)
        return given * 3 if len(given) == 1 else given


def network(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command `card`, of the network that the user names, whose licence they may use."""

    @wraps(command)
    def chosen(
        network: str,
        weights: Path | None,
        download: bool,
        pixels: int | None,
        mean: tuple[float, ...] | None,
        std: tuple[float, ...] | None,
        licence: str | None,
        accept_licence: bool,
        **others: Any,
    ) -> Any:
        from farfield.networks.choice import Said, choose_network

        fields = {"image_size": pixels, "mean": mean, "std": std, "licence": licence}
        said = Said(weights, download, {name: value for name, value in fields.items() if value is not None})
        card: NetworkCard = choose_network(network, said)
        card.require_accepted(accept_licence)
        return command(card=card, **others)

    for option in (
        click.option("--accept-licence", is_flag=True, help="Its licence allows what you will do with it."),
        click.option("--licence", help="Of its weights, where nobody says it."),
        click.option("--std", type=Numbers(), metavar="R,G,B", help="Of pixels in 0..1, as --mean."),
        click.option(
            "--mean", type=Numbers(), metavar="R,G,B", help="Of pixels in 0..1, if not what is known."
        ),
        click.option("--pixels", type=click.IntRange(1), help="That it sees, if not what is known."),
        click.option("--download", is_flag=True, help="Fetch weights of timm that are not on this machine."),
        click.option("--weights", type=click.Path(path_type=Path), help="Of timm/NAME or torchvision/NAME."),
        click.option("--network", default="lite0", show_default=True, help=NETWORK),
    ):
        chosen = option(chosen)
    return chosen
