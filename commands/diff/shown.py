"""A difference for people: text of at most 40 lines, the same as Markdown, and JSON with every line."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from commands.diff.causes import Cause
from commands.diff.told import Told, Turn
from farfield.errors import first_few
from farfield.results.two_runs import NAMED

# Lines of each part, which with their headings stay below 40.
TURNS, NAMES, CAUSES, ROWS = 5, 14, 6, 3
COLUMNS = ("study", "row", "cell", "before", "after", "difference")


def text(told: Told) -> str:
    from tabulate import tabulate

    parts = [heading(told)]
    if told.turned:
        parts += [f"\n{_count(len(told.turned), 'claim')} turned", *(f"  {one}" for one in turns(told))]
    if len(told.named):
        table = tabulate(
            list(cells(told)), COLUMNS, tablefmt="plain", disable_numparse=True, colalign=_ALIGNED
        )
        parts += [
            f"\n{beyond(told)}",
            *(f"  {line}" for line in table.splitlines()),
            *_rest_of_names(told, "  "),
        ]
    if told.machine or told.causes:
        parts += ["\nWhat changed", *(f"  {one}" for one in explained(told))]
    parts += ["", *rest(told)]
    return "\n".join(parts)


def markdown(told: Told) -> str:
    """For a comment on a pull request."""
    from tabulate import tabulate

    parts = [f"### {heading(told)}"]
    if told.turned:
        parts += [
            "",
            f"**{_count(len(told.turned), 'claim')} turned**",
            "",
            *(f"- {one}" for one in turns(told)),
        ]
    if len(told.named):
        grid = tabulate(
            list(cells(told)), COLUMNS, tablefmt="github", disable_numparse=True, colalign=_ALIGNED
        )
        parts += ["", f"**{beyond(told)}**", "", grid, *(f"\n{one}" for one in _rest_of_names(told, ""))]
    if told.machine or told.causes:
        parts += ["", "**What changed**", "", *(f"- {one}" for one in explained(told))]
    parts += ["", " ".join(rest(told))]
    return "\n".join(parts)


def as_json(told: Told) -> str:
    """Every line, numbers as they are."""
    lines = [
        {key: (None if value != value else value) for key, value in line.items()}
        for line in told.lines.to_dict("records")
    ]
    found: dict[str, Any] = {
        "before": told.before,
        "after": told.after,
        "claims": [vars(one) for one in told.turned],
        "lines": lines,
        "new": told.new,
        "gone": told.gone,
        "causes": [vars(cause) | {"rows": rows} for cause, rows in told.causes.items()],
        "another_machine": told.machine,
        "results": {"same": told.same, "changed": told.changed},
    }
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)


def heading(told: Told) -> str:
    return f"{told.before} → {told.after}"


def turns(told: Told) -> Iterator[str]:
    for one in told.turned[:TURNS]:
        yield f"{one.claim}: {one.before} → {one.after}{_apart(one)}"
    if len(told.turned) > TURNS:
        yield f"and {len(told.turned) - TURNS} more"


def beyond(told: Told) -> str:
    named, unpaired = len(told.named), int((~told.named["paired"].astype(bool)).sum())
    over = "the same episodes or images"
    if unpaired:
        over = (
            f"{over}, {unpaired} (marked ≠) on others"
            if unpaired < named
            else "other episodes or images, unpaired"
        )
    return (
        f"{named} of {_count(len(told.lines), 'cell')} {'is' if named == 1 else 'are'} beyond chance "
        f"({NAMED:.0%}, Holm), largest first; ± 95 % over {over}"
    )


def cells(told: Told) -> Iterator[tuple[str, ...]]:
    for line in told.named.head(NAMES).to_dict("records"):
        digits = 2 if line["metric"] == "accuracy" else 4
        place = line["cell"] if line["metric"] == "accuracy" else f"{line['cell']} {line['metric']}"
        apart = (
            f"{line['difference']:+.{digits}f} ± {line['ci95']:.{digits}f}{'' if line['paired'] else ' ≠'}"
        )
        values = [f"{line[side]:.{digits}f}" for side in ("before", "after")]
        yield line["study"], line["row"], place, *values, apart.replace("-", "−")


def _rest_of_names(told: Told, indent: str) -> list[str]:
    left = told.named.iloc[NAMES:]
    counts = (left["study"] + " " + left["row"]).value_counts()
    if not len(left):
        return []
    return [f"{indent}and {len(left)} more: {_some([f'{row} {count}' for row, count in counts.items()])}"]


def explained(told: Told) -> list[str]:
    if told.machine:
        return [told.machine]
    files: dict[tuple[str, tuple[str, ...]], list[Cause]] = {}
    lines = []
    for cause, rows in told.causes.items():
        if cause.kind == "parameter":
            lines.append(f"{cause}  ({_rows(rows)})")
        else:
            files.setdefault((cause.kind, rows), []).append(cause)
    lines += [
        f"{kind}: {_some([str(one) for one in own])}  ({_rows(rows)})" for (kind, rows), own in files.items()
    ]
    more = [f"and {len(lines) - CAUSES} more, which --json lists"] if len(lines) > CAUSES else []
    return [*lines[:CAUSES], *more]


def rest(told: Told) -> list[str]:
    said = [
        f"{kind} rows: {_some(list(rows))}" for kind, rows in (("New", told.new), ("Gone", told.gone)) if rows
    ]
    within, untold = told.rest, told.untold
    parts = []
    if len(within):
        median = within["difference"].abs().median()
        parts.append(
            f"{_count(len(within), 'cell')} within their intervals, median |difference| {median:.2g}"
        )
    if len(untold):
        parts.append(f"{_count(len(untold), 'value')} of one training each, which have no interval")
    parts.append(
        f"{_count(told.same, 'result')} the same, byte for byte"
        if told.same
        else "no result is the same bytes"
    )
    warned = [
        f"Not of the parameters that {side} asks for: the results of {_some(stages)}; `make repro` there first."
        for side, stages in told.outdated.items()
    ]
    return [*warned, *said, f"{'; '.join(parts)}."]


def _rows(rows: Sequence[str]) -> str:
    return _some(list(dict.fromkeys(row.split(" ", 1)[1] for row in rows)))


def _some(names: Sequence[str]) -> str:
    return first_few(names, shown=ROWS)


def _apart(turn: Turn) -> str:
    if None in turn.differences:
        return ""
    one, two = (f"{value:+.1f}".replace("-", "−") for value in turn.differences)
    return f" ({one} → {two})"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _plain(value: Any) -> Any:
    return value.item()


_ALIGNED = ("left", "left", "left", "right", "right", "right")
