"""Does a packed dense dataset look as its card says? What the suites for dense targets speak of.

`dense_images`: the manifest. `dense_targets`: a row for each target of each image. `dense_tasks`: a row for
each task in each split. `classes` and `unreadable` are as in `datasets.validation`, but an image counts for
every class that it shows.
"""

from typing import TYPE_CHECKING, Any

from farfield.datasets.cards import Expected
from farfield.datasets.dense.records import TASKS
from farfield.datasets.validation import (
    Tables,
    class_counts,
    require_valid,
    summary,
    unreadable_table,
    with_twins,
)
from farfield.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

# What the numbers of a depth map that is `factor` times too large are likely to be.
MISTAKES = {
    "metres": {1000: "millimetres", 100: "centimetres"},
    "disparity": {65535: "the 16-bit numbers of the files"},
    "log": {},
}


def dense_tables(
    manifest: "pd.DataFrame", unreadable: list[dict[str, str]], class_names: list[str], expected: Expected
) -> Tables:
    """The five tables. dense_targets: path, task, least, most, lower, upper (bounds). dense_tasks: place
    ("depth in test"), task, split, valid (share of known pixels), fewest (the share the card expects)."""
    import pandas as pd

    tasks = [task for task in TASKS if f"valid_{task}" in manifest]
    bounds = {
        "segmentation": (0, len(class_names) - 1),
        "normals": (0, 255),
        "depth": expected.depth or (0, float("inf")),
        "keypoints": (-1, 1),
        "edges": (-1, 1),
    }
    if strange := sorted(set(expected.valid) - set(tasks)):
        raise InputError(
            f"expected.valid names {strange[0]}, but the dataset has the tasks {', '.join(tasks)}."
        )
    targets = pd.concat(
        pd.DataFrame(
            {
                "path": manifest["path"],
                "task": task,
                "least": manifest[f"least_{task}"],
                "most": manifest[f"most_{task}"],
                "lower": float(bounds[task][0]),
                "upper": float(bounds[task][1]),
            }
        )
        for task in tasks
    ).reset_index(drop=True)
    shares = [
        {
            "place": f"{task} in {split}",
            "task": task,
            "split": split,
            "valid": float(rows[f"valid_{task}"].mean()),
            "fewest": expected.valid.get(task, 0.0),
        }
        for task in tasks
        for split, rows in manifest.groupby("split")
    ]
    shown = manifest["classes"].explode().dropna() if "classes" in manifest else pd.Series(dtype=int)
    names = shown.map(lambda label: class_names[int(label)])
    return {
        "dense_images": with_twins(manifest.drop(columns="classes", errors="ignore")),
        "dense_targets": targets,
        "dense_tasks": pd.DataFrame(shares),
        "classes": class_counts(names, class_names, expected),
        "unreadable": unreadable_table(unreadable),
    }


def dense_summary(data: Tables, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """What is kept of a validation: as `datasets.validation.summary`, and the known share and the least and
    largest value of each task."""
    result = summary(data, entries)
    tasks = {}
    for task, rows in data["dense_targets"].groupby("task", sort=False):
        shares = data["dense_tasks"].query("task == @task")
        seen = rows.dropna(subset=["least"])
        tasks[task] = {
            "valid": dict(zip(shares["split"], shares["valid"].round(6).tolist(), strict=True)),
            "least": float(seen["least"].min()) if len(seen) else None,
            "most": float(seen["most"].max()) if len(seen) else None,
        }
    return result | {"tasks": tasks}


def require_valid_dense(name: str, result: dict[str, Any], expected: Expected) -> None:
    """InputError as `require_valid`; says so where depths look as if they came in another unit."""
    require_valid(name, result, depth_hint(result["tasks"].get("depth"), expected))


def depth_hint(depth: dict[str, Any] | None, expected: Expected) -> str:
    """A sentence on depths beyond the card's bounds that would fit in if they were smaller by a usual factor."""
    if not depth or depth["most"] is None or not expected.depth:
        return ""
    lower, upper = expected.depth
    least, most = depth["least"], depth["most"]
    wanted = f"{lower:g} to {upper:g} ({expected.depth_unit})"
    found = f"depths reach from {least:g} to {most:g}, where {wanted} is expected"
    for factor, unit in MISTAKES[expected.depth_unit].items():
        if most > upper and least / factor >= lower and most / factor <= upper:
            return f"{found}: they look like {unit}; divide them by {factor}."
    return f"{found}." if least < lower or most > upper else ""
