"""The version of farfield that runs."""

from importlib import metadata


def installed_version() -> str:
    """As it was installed; in a checkout that is not, "of a checkout"."""
    try:
        return metadata.version("farfield")
    except metadata.PackageNotFoundError:
        return "of a checkout"
