"""Settings of a method: dataclasses that refuse what their fields cannot mean, and how parameters reach them."""

import functools
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from farfield.errors import InputError

Configured = TypeVar("Configured")

Positive = Annotated[int, Field(strict=True, gt=0)]
NotNegative = Annotated[int, Field(strict=True, ge=0)]
AboveZero = Annotated[float, Field(strict=True, gt=0)]
AtLeastZero = Annotated[float, Field(strict=True, ge=0)]
BelowOne = Annotated[float, Field(strict=True, ge=0, lt=1)]
Probability = Annotated[float, Field(strict=True, ge=0, le=1)]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def keyword_settings(kind: type[Configured]) -> type[Configured]:
    """`settings` that are given by name alone."""
    return _checked(kind, kw_only=True)


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def settings(kind: type[Configured]) -> type[Configured]:
    """`kind` as a frozen dataclass. InputError that names the field whose value is not what its annotation
    says; TypeError for a name that it has not, as of any call."""
    return _checked(kind, kw_only=False)


def _checked(kind: type[Configured], kw_only: bool) -> type[Configured]:
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    made = dataclass(kind, frozen=True, kw_only=kw_only, config=config)
    filled = made.__init__

    @functools.wraps(filled)
    def checked(self: Any, *values: Any, **named: Any) -> None:
        try:
            filled(self, *values, **named)
        except ValidationError as error:
            raise _refusal(kind, error) from None

    made.__init__ = checked  # type: ignore[method-assign]
    return cast(type[Configured], made)


def _refusal(kind: type, error: ValidationError) -> InputError | TypeError:
    problem = error.errors()[0]
    first, *rest = problem["loc"] or ("",)
    own = fields(kind)[first].name if isinstance(first, int) else first
    name, said = ".".join(map(str, (own, *rest))), problem["msg"]
    if "argument" in problem["type"] or problem["type"] == "missing":
        return TypeError(f"{said.lower()}: {name}")
    if problem["type"] == "value_error":  # of what several fields mean together, in words of the class
        return InputError(said.removeprefix("Value error, "))
    return InputError(f"{name} {said.removeprefix('Input ')}, found {problem['input']!r}")


def configured(kind: Callable[..., Configured], name: str, values: dict[str, Any], *given: Any) -> Configured:
    """kind(*given, **values). InputError that names `name` if it has no such setting, or not such a value."""
    try:
        return kind(*given, **values)
    except (TypeError, InputError) as error:
        raise InputError(f"the settings of {name} do not fit it: {error}") from error
