"""Why results differ: what changed in what their stages declare, told from the locks of two revisions alone.

From an output back over its stage's dependencies to what no stage made: parameters, code, data. Where an output
differs and nothing that it was made of does, another machine made it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from commands.diff.revision import Locked, Revision

Kind = Literal["parameter", "code", "data", "stage"]
CODE = ("farfield/", "stages/", "commands/")


@dataclass(frozen=True)
class Cause:
    """before, after: values of a parameter, in words; empty for files, of which that they differ is known."""

    kind: Kind
    name: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.before} → {self.after}" if self.kind == "parameter" else self.name


@dataclass
class Causes:
    """by_out: the causes of each output that was asked for. elsewhere: by output those that differ, further up or
    itself, though nothing differs that they were made of."""

    by_out: dict[str, list[Cause]] = field(default_factory=dict)
    elsewhere: dict[str, list[str]] = field(default_factory=dict)

    @property
    def another_machine(self) -> bool:
        """Whether nothing that is declared differs."""
        return not any(self.by_out.values())


def causes(before: Revision, after: Revision, outs: Iterable[str]) -> Causes:
    """Of outputs whose MD5 differs and that both have."""
    walk = _Walk(before, after)
    found = Causes()
    for out in outs:
        met = list(dict.fromkeys(walk.of(out)))
        found.by_out[out] = [one for one in met if isinstance(one, Cause)]
        found.elsewhere[out] = [one for one in met if isinstance(one, str)]
    return found


@dataclass
class _Walk:
    before: Revision
    after: Revision
    known: dict[str, list[Cause | str]] = field(default_factory=dict)

    def of(self, out: str) -> list[Cause | str]:
        """Causes; and the names of outputs that have none."""
        if out not in self.known:
            self.known[out] = []  # of a circle, which there is none of
            self.known[out] = list(self._made_of(out)) or [out]
        return self.known[out]

    def _made_of(self, out: str) -> Iterator[Cause | str]:
        first, second = (side.makers[out] for side in (self.before, self.after))
        one, two = self.before.stages[first], self.after.stages[second]
        if first != second:
            yield Cause("stage", f"{second} makes {out}, which {first} made")
        if one.cmd != two.cmd:
            yield Cause("stage", f"the command of {second}")
        for key in dict.fromkeys([*one.params, *two.params]):
            yield from changed(one.params.get(key), two.params.get(key), key)
        for path in dict.fromkeys([*one.deps, *two.deps]):
            yield from self._dep(path, one, two)

    def _dep(self, path: str, one: Locked, two: Locked) -> Iterator[Cause | str]:
        if one.deps.get(path) == two.deps.get(path):
            return
        if path.startswith("params/"):
            first, second = (json.loads(side.tracked.get(path, b"{}")) for side in (self.before, self.after))
            yield from changed(first, second, "")
            return
        sides = [
            {out: md5 for out, md5 in side.outs.items() if _related(out, path)}
            for side in (self.before, self.after)
        ]
        if not any(sides):
            yield Cause("code" if path.startswith(CODE) else "data", path)
        for out in dict.fromkeys([*sides[0], *sides[1]]):
            if out not in sides[1]:
                yield Cause("data", f"{out} is gone")
            elif out not in sides[0]:
                yield Cause("data", f"{out} is new")
            elif sides[0][out] != sides[1][out]:
                yield from self.of(out)


def _related(out: str, path: str) -> bool:
    return out == path or out.startswith(f"{path}/") or path.startswith(f"{out}/")


def changed(before: Any, after: Any, key: str) -> Iterator[Cause]:
    """The leaves of two trees of parameters that differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            yield from changed(before.get(name), after.get(name), f"{key}.{name}" if key else str(name))
    elif before != after:
        yield Cause("parameter", key, _words(before), _words(after))


def _words(value: Any) -> str:
    text = "-" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."
