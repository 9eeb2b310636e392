"""Settings of a method, as parameters give them, handed to what they configure."""

from collections.abc import Callable
from typing import Any, TypeVar

from farfield.errors import InputError

Configured = TypeVar("Configured")


def configured(
    kind: Callable[..., Configured], name: str, settings: dict[str, Any], *given: Any
) -> Configured:
    """kind(*given, **settings). InputError that names `name` if it has no such setting."""
    try:
        return kind(*given, **settings)
    except TypeError as error:
        raise InputError(f"the settings of {name} do not fit it: {error}") from error
