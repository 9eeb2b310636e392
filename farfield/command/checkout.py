"""Commands of the pipeline, which stand in a checkout of the repository and not in the package."""

import os
import sys
from pathlib import Path

import click

from farfield.errors import InputError


def checkout() -> Path:
    """The checkout that the current folder lies in. InputError if it lies in none."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").exists() and (folder / "commands").is_dir():
            return folder
    raise InputError(f"{here} lies in no checkout of farfield, where the pipeline is; change to one.")


def call(module: str, words: tuple[str, ...]) -> None:
    """In the place of this process, so that a kill of it leaves none behind."""
    os.chdir(checkout())
    os.execv(sys.executable, [sys.executable, "-m", module, *words])


@click.command(short_help="Run the pipeline (in a checkout).")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Stages at once.")
@click.argument("devices", nargs=-1)
def repro(jobs: int, devices: tuple[str, ...]) -> None:
    """Run all stages that have changed, several at once, with one of DEVICES for each job."""
    call("commands.side_by_side", (str(jobs), *devices))


@click.command(short_help="Make params/ of what is chosen (in a checkout).")
@click.argument("overrides", nargs=-1)
def compose(overrides: tuple[str, ...]) -> None:
    """Compose params/ from conf/, params.yaml and OVERRIDES such as profile=mini or fewshot.episodes=200."""
    call("commands.compose", overrides)


@click.command(
    short_help="Make your images a target of the study (in a checkout).",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def add(words: tuple[str, ...]) -> None:
    """Write the card of your images and compose them into the study: `farfield add my_images --data FOLDER`."""
    call("commands.add", words)


@click.command(short_help="What is wrong in a checkout, what it costs and what to do.")
@click.option("--remote", is_flag=False, flag_value="", default=None, help="Look into a remote too.")
@click.option("--repair", is_flag=True, help="Mend what can be mended without losing anything.")
def doctor(remote: str | None, repair: bool) -> None:
    """Verify workspace, cache, locks, parameters and versions.

    Exit codes: 0 all is well; 1 it cannot look; 2 the command line is wrong; 3 something is wrong.
    """
    words = [] if remote is None else ["--remote", *([remote] if remote else [])]
    call("commands.doctor", (*words, *(["--repair"] if repair else [])))


@click.command(short_help="What a change did to the results (in a checkout).")
@click.argument("base")
@click.argument("head", required=False)
@click.option("--markdown", is_flag=True, help="For a comment on a pull request.")
@click.option("--json", "as_json", is_flag=True, help="Every cell, numbers as they are.")
@click.option("--html", metavar="FOLDER", help="Write a page with a forest plot too.")
def diff(base: str, head: str | None, markdown: bool, as_json: bool, html: str | None) -> None:
    """Compare the results of BASE and HEAD, commits, branches, tags or experiments; without HEAD, the workspace.

    Nothing is run or checked out: results come from the cache, and what that lacks from the remote. Rows are
    paired on the same episodes and images. It names the claims that turned, the cells whose difference is beyond
    chance (Holm's method at 1 % over all that moved), and what changed in parameters, code and data that they
    are made of.

    Exit codes: 0 compared, whether or not anything differs; 1 it cannot compare, one message says why; 2 the
    command line is wrong.
    """
    words = [base, *([head] if head else [])]
    words += ["--markdown"] if markdown else ["--json"] if as_json else []
    call("commands.diff", (*words, *(["--html", str(Path(html).absolute())] if html else [])))
