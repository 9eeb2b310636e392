"""The command `farfield`. Each of its commands imports what it needs when it runs, so that help comes at
once."""

import contextlib
from collections.abc import Iterator

import click

from farfield.command.checkout import add, compose, diff, doctor, repro
from farfield.command.cluster import cluster
from farfield.command.evaluate import evaluate
from farfield.command.export import export
from farfield.command.networks import networks
from farfield.command.predict import predict
from farfield.errors import InputError, one_message

# How help lists the commands.
CONTENTS = {
    "Your own images": ("evaluate", "predict", "export"),
    "Networks, and this machine": ("networks", "doctor", "cluster"),
    "The studies, in a checkout": ("add", "compose", "repro", "diff"),
}


@contextlib.contextmanager
def paths_as_given() -> Iterator[None]:
    """A path that cannot be what it is wanted for is a mistake of the user: a file in a folder's place, or one
    without permission."""
    try:
        yield
    except (FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        place = error.filename2 or error.filename
        raise InputError(
            f"{place}: {error.strerror}. Give another path, move away what is there, or see to its permissions."
        ) from error


class OneMessage(click.Group):
    """A mistake of the user ends with one message and status 1."""

    def invoke(self, ctx: click.Context) -> object:
        with one_message(), paths_as_given():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """By what they are for, as a table of contents."""
        for title, names in CONTENTS.items():
            with formatter.section(title):
                known = [
                    (name, self.commands[name].get_short_help_str(80))
                    for name in names
                    if name in self.commands
                ]
                formatter.write_dl(known)


@click.group(cls=OneMessage, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="farfield")
def main() -> None:
    """Visual learning beyond natural images.

    \b
    Exit codes: 0 all was done; 1 something given is wrong, one message says
    what; 2 the command line is wrong; 3 done, but some files could not be read.

    \b
    Completion of words in bash (zsh, fish alike):
      eval "$(_FARFIELD_COMPLETE=bash_source farfield)"
    """


for command in (evaluate, predict, export, networks, add, compose, repro, diff, doctor, cluster):
    main.add_command(command)
