import json

import click


@click.command(short_help="Networks with weights: what each is, has seen, and its licence.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def networks(as_json: bool) -> None:
    """List the networks that `farfield evaluate --network` takes."""
    from dataclasses import asdict

    from tabulate import tabulate

    from farfield.networks.cards import network_cards

    cards = network_cards()
    if as_json:
        click.echo(json.dumps([asdict(card) for card in cards.values()], indent=2))
        return
    rows = [(card.name, card.image_size, card.licence, card.pretrained_on) for card in cards.values()]
    click.echo(tabulate(rows, ["network", "pixels", "licence", "has seen"], tablefmt="github"))
