"""Does a packed dataset look as its card says? Great Expectations suites on the manifest.

Tables are checked, each by the suite of its name: `images` (the manifest), `classes` (images a class),
`unreadable` (files left out) and, where a card keeps channels, `channels` (of `channels.channel_table`); those of
dense datasets are in `dense.validation`. The suites are JSON; what differs from dataset to dataset enters them as
parameters computed from the card.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farfield.datasets.cards import Expected
from farfield.datasets.remarks import remarks_on
from farfield.datasets.twins import contradictions
from farfield.errors import InputError
from farfield.files import read_json

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 10  # offending rows named in a message
# The column that names a row of each table, where it is not `path`.
NAMED_BY = {"classes": "class_name", "channels": "channel", "dense_tasks": "place"}

Tables = dict[str, "pd.DataFrame"]


def tables(
    manifest: "pd.DataFrame",
    unreadable: list[dict[str, str]],
    expected: Expected,
    channels: "pd.DataFrame | None" = None,
) -> Tables:
    """The tables that the suites speak of.

    manifest: with the columns of `odd_pictures.with_oddities`. images: the manifest with `repeats` (its bytes
    stand in an earlier row) and `leaks` (its bytes stand in another split). classes: class_name, images,
    expected_images.
    """
    return {
        "images": with_twins(manifest),
        "classes": class_counts(manifest["class_name"], [], expected),
        "unreadable": unreadable_table(unreadable),
        **({} if channels is None else {"channels": channels}),
    }


def with_twins(manifest: "pd.DataFrame") -> "pd.DataFrame":
    """The manifest with the columns `repeats` and `leaks`."""
    return manifest.assign(
        repeats=manifest.duplicated("sha256"),
        leaks=manifest.groupby("sha256")["split"].transform("nunique") > 1,
    )


def class_counts(shown: "pd.Series", known: Sequence[str], expected: Expected) -> "pd.DataFrame":
    """class_name, images, expected_images. shown: the class of each image, or each class of each image.
    known: classes that have a row even if no image shows them."""
    import pandas as pd

    counts = shown.value_counts().sort_index()
    names = [*known, *sorted({*counts.index, *expected.class_images} - set(known))]
    classes = pd.DataFrame({"class_name": names, "images": [int(counts.get(name, 0)) for name in names]})
    classes["expected_images"] = (
        [expected.class_images.get(name, 0) for name in names] if expected.class_images else classes["images"]
    )
    return classes


def manifest_of(data: Tables) -> "pd.DataFrame":
    """The table with a row an image."""
    return data["images"] if "images" in data else data["dense_images"]


def unreadable_table(unreadable: list[dict[str, str]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(unreadable, columns=["path", "reason"])


def parameters(data: Tables, expected: Expected) -> dict[str, Any]:
    """Values of the `$PARAMETER`s in the suites; a null in the card accepts anything."""
    images = manifest_of(data)
    count = max(len(images), 1)
    return {
        "images_min": expected.images if expected.images is not None else 1,
        "images_max": expected.images,
        "last_row": len(images) - 1,
        "modes": list(expected.modes) or sorted(images["mode"].unique()),
        "shortest_side": expected.shortest_side,
        "mostly_unique": _mostly(expected.duplicates, count),
        "mostly_apart": _mostly(expected.leaked, count),
        "mostly_plain": _mostly(expected.odd, count),
        "classes_min": expected.classes if expected.classes is not None else 1,
        "classes_max": expected.classes,
        "fewest_images": expected.fewest_images,
        "unreadable_max": expected.unreadable,
        "channels_min": expected.channels if expected.channels is not None else 1,
        "channels_max": expected.channels,
    }


def _mostly(allowed: int | None, count: int) -> float:
    """The share of rows that must be right; a hair low, so that rounding turns no allowed case away."""
    return 0.0 if allowed is None else max(0.0, 1 - allowed / count - 1e-9)


def validate(
    data: Tables, expected: Expected, suites: Path, docs: Path | None = None
) -> list[dict[str, Any]]:
    """Run the suites `suites`/<table>.json and return one entry an expectation, in their order.

    Each entry: table, type, column, sentence, success, unexpected (a count), offenders (at most ten,
    named by path or class), found (what was observed, where the expectation is about a number).
    docs: a folder that receives Data Docs to browse; they differ at each run, so they are no output.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    if docs is not None:
        context.add_data_docs_site("docs", _docs_site(docs))  # type: ignore[arg-type]
    values = parameters(data, expected)
    entries = []
    for table, frame in data.items():
        spec = read_json(suites / f"{table}.json")
        suite = context.suites.add(gx.ExpectationSuite(**spec))
        asset = context.data_sources.add_pandas(table).add_dataframe_asset(table)
        batch = asset.add_batch_definition_whole_dataframe("all")
        definition = gx.ValidationDefinition(name=table, data=batch, suite=suite)
        result = context.validation_definitions.add(definition).run(
            batch_parameters={"dataframe": frame},
            expectation_parameters=values,
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": [_name_column(table)],
            },
        )
        sentences = [e["meta"]["notes"] for e in spec["expectations"]]
        found = {r.expectation_config.meta["notes"]: r for r in result.results}  # type: ignore[union-attr]
        entries += [_entry(table, sentence, found[sentence]) for sentence in sentences]
    if docs is not None:
        context.build_data_docs()
    return entries


def _name_column(table: str) -> str:
    return NAMED_BY.get(table, "path")


def _entry(table: str, sentence: str, result: Any) -> dict[str, Any]:
    if problem := _raised(result.exception_info or {}):
        raise InputError(
            f"the expectation {sentence!r} of the suite {table}.json could not be computed: {problem}"
        )
    config = result.expectation_config
    rows = result.result.get("unexpected_index_list") or []
    entry = {
        "table": table,
        "type": config.type,
        "column": config.kwargs.get("column", config.kwargs.get("column_A", "")),
        "sentence": sentence,
        "success": bool(result.success),
        "unexpected": int(result.result.get("unexpected_count", 0)),
        "offenders": [str(row[_name_column(table)]) for row in rows[:SHOWN]],
    }
    if "observed_value" in result.result:
        entry["found"] = int(result.result["observed_value"])
    return entry


def _raised(info: dict[str, Any]) -> str:
    """Why an expectation was not computed, empty if it was. Great Expectations tells it of the expectation itself
    or, where one of the metrics that it needs raised, of each such metric by its name."""
    told = [info] if "raised_exception" in info else [one for one in info.values() if isinstance(one, dict)]
    messages = [str(one.get("exception_message", "")) for one in told if one.get("raised_exception")]
    return "; ".join(dict.fromkeys(message.strip() or "it raised an exception" for message in messages))


def _docs_site(folder: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(folder.resolve()),
        },
    }


def summary(data: Tables, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """What is kept of a validation: counts, repeated and leaked files in groups, every expectation; under
    mislabelled, if there are any, the same files under several classes; and under channels, if any are kept, the
    figures of each."""
    images = manifest_of(data)
    twins = images[images.duplicated("sha256", keep=False)]
    groups = [group for _, group in twins.groupby("sha256", sort=False)]
    mislabelled = contradictions(images) if "class_name" in images else []
    return {
        "success": all(entry["success"] for entry in entries),
        "images": len(images),
        "classes": int((data["classes"]["images"] > 0).sum()),
        "class_images": dict(
            zip(data["classes"]["class_name"], data["classes"]["images"].tolist(), strict=True)
        ),
        "splits": images["split"].value_counts().sort_index().to_dict(),
        "modes": images["mode"].value_counts().sort_index().to_dict(),
        "remarks": remarks_on(images),
        "unreadable": data["unreadable"].to_dict("records"),
        "duplicates": [group["path"].tolist() for group in groups],
        "leaked": [group["path"].tolist() for group in groups if group["split"].nunique() > 1],
        "expectations": entries,
        **({"mislabelled": mislabelled} if mislabelled else {}),
        **({"channels": data["channels"].round(4).to_dict("records")} if "channels" in data else {}),
    }


def require_valid(name: str, result: dict[str, Any], hint: str = "") -> None:
    """InputError that names every failed expectation of `name` with its offending rows, and adds the hint."""
    failed = [entry for entry in result["expectations"] if not entry["success"]]
    if not failed:
        return
    lines = []
    for entry in failed:
        what = f"{entry['unexpected']} do not" if entry["unexpected"] else f"found {entry.get('found')}"
        rows = f": {', '.join(entry['offenders'])}" if entry["offenders"] else ""
        lines.append(f"- {entry['sentence']} ({entry['table']}.{entry['column'] or 'rows'}: {what}{rows})")
    if any(entry["table"] == "unreadable" for entry in failed):
        lines += [f"  unreadable: {file['path']}: {file['reason']}" for file in result["unreadable"][:SHOWN]]
    same = result.get("mislabelled", [])
    lines += [f"  the same picture under several classes: {' and '.join(group)}" for group in same[:SHOWN]]
    lines += [f"  {hint}"] if hint else []
    raise InputError(
        f"{name} does not pass validation:\n" + "\n".join(lines) + "\nMend the files, or, if the data are "
        f"right, what the card conf/dataset/{name}.yaml expects of them."
    )
