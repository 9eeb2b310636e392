"""`python -m farfield`: the command `farfield`."""

from farfield.command.main import main

main(prog_name="farfield")
