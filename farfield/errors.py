"""The one exception that a user is meant to read."""


class InputError(ValueError):
    """Something given to farfield is wrong: a parameter, an archive, an image, a label.

    The message is for the person who meets it: it names the file or key, what was found, what was
    expected and what to do. Stages print it alone, without a traceback, and exit with status 1.
    """
