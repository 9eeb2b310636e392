import json

import click


@click.command(short_help="Networks: what each is, has seen, its licence, and what brings it.")
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def networks(names: tuple[str, ...], as_json: bool) -> None:
    """List the networks that `farfield evaluate --network` takes by name alone.

    NAMES can be these, or of a library: timm/resnet18, or 'timm/resnet1*' for all of which timm knows weights,
    and torchvision/NAME. Nothing is fetched. A network must not be tested on datasets whose classes it has seen.
    """
    from dataclasses import asdict

    from tabulate import tabulate

    from farfield.networks.cards import network_card, network_cards
    from farfield.networks.choice import cards_of_library
    from farfield.networks.licences import terms

    found = [] if names else list(network_cards().values())
    for name in names:
        found += cards_of_library(name) if "/" in name else [network_card(name)]
    if as_json:
        facts = [
            asdict(card) | {"installed": card.installed, "extra": card.extra, "terms": terms(card.licence)}
            for card in found
        ]
        click.echo(json.dumps(facts, indent=2))
        return
    rows = [
        (
            card.name,
            card.image_size,
            (card.licence or "not stated") + card.title.removeprefix(card.name),
            card.state,
            card.pretrained_on,
            ", ".join(card.not_for),
        )
        for card in found
    ]
    headers = ["network", "pixels", "licence", "weights", "has seen", "not to be tested on"]
    click.echo(tabulate(rows, headers, tablefmt="github"))
    if not names:
        click.echo(
            "\nAlso timm/NAME (extra timm) and torchvision/NAME with --weights FILE.safetensors, any ONNX file "
            "of one\nimage input (extra onnx), and what a checkout has trained: pipelines/networks/models/"
            "NAME.safetensors.\n`farfield networks timm/NAME` shows a card."
        )
