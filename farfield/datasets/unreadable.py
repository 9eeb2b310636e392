"""The one way in which a file can fail without stopping the whole dataset."""


class UnreadableImageError(Exception):
    """The file cannot become pixels; the message is the reason."""
