"""One lookup: names in parameters, and the objects they stand for, each imported when it is asked for."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from farfield.errors import InputError
from farfield.settings import configured

Made = TypeVar("Made")


@dataclass(frozen=True)
class Registry(Generic[Made]):
    """kind: what its objects are, in messages. package: where their modules lie. objects: name -> object of the
    module of that name, or module.object. What uses one of them reads, and so depends on, no other."""

    kind: str
    package: str
    objects: Mapping[str, str]

    def __iter__(self) -> Iterator[str]:
        return iter(self.objects)

    def module(self, name: str) -> str:
        """The module of `name`. InputError if there is no such name."""
        if name not in self.objects:
            names = ", ".join(self.objects)
            raise InputError(f"there is no {self.kind} {name!r}; the {self.kind}s are {names}")
        return f"{self.package}.{self.objects[name].rpartition('.')[0] or name}"

    def find(self, name: str) -> Any:
        """What `name` stands for. InputError if there is no such name."""
        return getattr(importlib.import_module(self.module(name)), self.objects[name].rpartition(".")[2])

    def make(self, name: str, settings: Mapping[str, Any], *given: Any) -> Made:
        """The object called with what is given and its settings. InputError if it has no such setting."""
        made: Made = configured(self.find(name), name, dict(settings), *given)
        return made
