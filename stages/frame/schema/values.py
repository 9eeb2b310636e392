"""What every parameter must be, whatever its section: a value that JSON has, under a key that is text."""

import json
import math
from collections.abc import Iterator
from typing import Any

SHOWN = 10


def faults(value: Any, key: str = "") -> Iterator[str]:
    """A sentence for each key or value that is none, `key` being where the value stands."""
    if isinstance(value, dict):
        for name, entry in value.items():
            if isinstance(name, str):
                yield from faults(entry, f"{key}.{name}" if key else name)
            else:
                yield (
                    f"- {key or 'params'}: the key {_written(name)} is read as {_kind(name)}, and keys are text: "
                    f'put it in quotes, as in "{_written(name)}"'
                )
    elif isinstance(value, list | tuple):
        for place, entry in enumerate(value):
            yield from faults(entry, f"{key}.{place}")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"- {key}: must be a finite number, found {value}; nothing is computed with it"
    elif not isinstance(value, str | int | float | None):
        yield f'- {key}: is read as {_kind(value)}; put it in quotes if it is text, as in "{value}"'


def with_text_keys(value: Any) -> Any:
    """The same with keys that are whole numbers, booleans or null as the text that JSON makes of them."""
    if isinstance(value, dict):
        return {
            _written(name) if isinstance(name, int | None) else name: with_text_keys(entry)
            for name, entry in value.items()
        }
    return [with_text_keys(entry) for entry in value] if isinstance(value, list) else value


def _written(name: Any) -> str:
    return json.dumps(name) if isinstance(name, int | None) else str(name)


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"
