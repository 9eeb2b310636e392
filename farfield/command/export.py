from pathlib import Path

import click


@click.command(short_help="ONNX files, snippet and model card of a classifier, written again.")
@click.argument("classifier", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder that is written.")
def export(classifier: Path, out: Path) -> None:
    """Write CLASSIFIER, a folder that `farfield evaluate` wrote, to another folder as this version writes it.

    Prints the program that predicts there with onnxruntime, numpy and pillow, or tifffile, alone.
    """
    from farfield.deployment.folder import export as exported
    from farfield.deployment.model_card import snippet
    from farfield.deployment.onnx_whole import expressible

    description = exported(classifier.expanduser(), out.expanduser())
    click.echo(f"written to {out}", err=True)
    if expressible(description):
        click.echo(f"# {out / 'predict.py'}\n{snippet(description)}", nl=False)
