"""Rows of the few-shot study on episodes of your own images. A command, no stage.

`make evaluate DATA=path/to/class/folders METHODS=all`, or `python -m commands.evaluate --help`. Writes report.md,
evaluation.csv and the classifier of the best row to the output folder. Without METHODS it is `farfield evaluate`.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from commands.answering import Bench, choose
from commands.drawing import draw, remarks_on
from commands.exporting import Fitting, exportable
from farfield.alone import alone
from farfield.deployment.folder import write_classifier
from farfield.episodes.sampling import Episodes
from farfield.episodes.statistics import summarise
from farfield.errors import InputError, one_message
from farfield.local import load_local
from farfield.networks.cards import network_card
from farfield.own.evaluation import LOCK, evaluate, require_apart, write
from farfield.own.images import OwnImages, own_images, remarks, temporary
from farfield.results.comparisons import NEAR, rank, recommend
from farfield.results.scores import of_episodes
from farfield.training.devices import choose_device, deterministic
from stages.frame.executor import executor
from stages.frame.params import Params, load_params
from stages.frame.results import answered

NAME = "own images"


def main(arguments: argparse.Namespace) -> None:
    if not arguments.methods:
        evaluate(arguments.data, arguments.out, load_local(), network_card("lite0"))
        return
    params, local, out = load_params(), load_local(), arguments.out
    wanted = [name.strip() for name in arguments.methods.split(",") if name.strip()]
    chosen, absent = choose(params, [] if wanted == ["all"] else wanted)
    require_apart(arguments.data, out)
    deterministic(threads=0)
    device = choose_device(local.device)
    own = own_images(arguments.data, params.packing, local.workers)
    fewshot = params.fewshot
    episodes = draw(
        own, fewshot.way, arguments.shots, fewshot.query, arguments.episodes, params.seeds.episodes
    )
    notes = remarks(own) + remarks_on(own, episodes, fewshot.query)
    if absent:
        notes.append(f"Left out, since their models are not there: {', '.join(absent)}.")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)

    with temporary(own.folder) as scratch, executor(local, device) as elsewhere:
        bench = Bench(params, own.images, episodes, arguments.adapted_episodes, device, elsewhere, scratch)
        if chosen.keys() & {*fewshot.finetune, *fewshot.ensemble}:
            # Processes take seconds to start, which are the cost of no method.
            list(elsewhere.map(abs, range(2 * local.workers)))
        tables, seconds = [], {}
        for unit, rows in chosen.items():
            for answer in bench.answers(unit, rows):
                tables.append(answered(answer.method, NAME, episodes.shot, answer.table))
                seconds[answer.method] = answer.seconds
        if not tables:
            raise InputError("none of the methods can answer these episodes; name others in METHODS=.")
        results = pd.concat(tables, ignore_index=True)
        scores = of_episodes(NAME, results)
        ranking = rank(scores, list(seconds), params.seeds.compare)
        best = recommend(ranking, seconds)
        taken = best
        if fit := [row for row in seconds if exportable(fewshot, row)]:
            if best not in fit:
                taken = recommend(rank(scores, fit, params.seeds.compare), seconds)
            classifier, description = Fitting(params, own, episodes.shot, device, scratch).fit(taken)

    table = summary(params, results, ranking, seconds)
    text = report(
        own, episodes, table, best, taken if fit else "", notes, f"{device}, {local.workers} workers"
    )
    with alone(out / LOCK):
        if fit:
            write_classifier(out / "classifier", classifier, description, own.images)
        write(out, table, text)


def summary(
    params: Params, results: pd.DataFrame, ranking: pd.DataFrame, seconds: dict[str, float]
) -> pd.DataFrame:
    """A row a method, the best first: accuracy and its interval, cost, and the difference to the best."""
    table = ranking.merge(summarise(results).drop(columns=["dataset", "shot"]), on="method")
    table["title"] = [params.fewshot.rows[row].title for row in table["method"]]
    table["seconds"] = [seconds[row] for row in table["method"]]
    figures = ["accuracy", "ci95", "episodes", "seconds", "difference", "low", "high", "p", "tied"]
    return table[["method", "title", *figures]]


def report(
    own: OwnImages,
    episodes: Episodes,
    table: pd.DataFrame,
    best: str,
    fitted: str,
    notes: Sequence[str],
    machine: str,
) -> str:
    """report.md: the table, the recommendation, and what the figures mean."""
    way, images = episodes.rows.shape[1:]
    rows = {str(row.method): row for row in table.itertuples()}
    leader, chosen = str(table["method"].iloc[0]), rows[best]
    shown = [
        (
            row.title,
            f"{row.accuracy:.1f} ± {row.ci95:.1f} %",
            row.episodes,
            f"{row.seconds:.2g}",
            "" if row.method == leader else f"{row.difference:+.1f} [{row.low:+.1f}, {row.high:+.1f}]",
        )
        for row in table.itertuples()
    ]
    headers = ["method", "accuracy", "episodes", "seconds an episode", "minus the best, 95 % interval"]
    reason = "it is the most accurate, and nothing cheaper comes near"
    if best != leader:
        reason = (
            f"it is the cheapest of those that these episodes do not tell from the most accurate, "
            f"{rows[leader].title}, and that are within {NEAR:g} points of it"
        )
    paragraphs = [
        "# Your images",
        f"{len(own.labels)} images of {len(own.class_names)} classes. An episode draws {way} of the classes, "
        f"learns from {episodes.shot} images of each and is asked {images - episodes.shot} others of each; "
        f"guessing is right in {100 / way:.0f} %. Timed on {machine}; an episode's images are embedded for it "
        f"alone.",
        tabulate(shown, headers, tablefmt="github", disable_numparse=True),
        f"**Recommended: {chosen.title}**: {reason}. {chosen.accuracy:.1f} ± {chosen.ci95:.1f} % over "
        f"{chosen.episodes} episodes, {chosen.seconds:.2g} seconds each.",
        _fitted(str(rows[fitted].title) if fitted else "", best == fitted),
        f"What this accuracy is: that of {way}-way episodes with {episodes.shot} images a class. It is not the "
        f"accuracy of the classifier fitted to all images, which has more images to learn from and "
        f"{len(own.class_names)} classes to choose among; only images kept aside can tell that one. Intervals "
        f"are over episodes drawn from these images, not over new images. A difference is taken on the "
        f"episodes that both methods answered, so it need not be that of the accuracies in the table.",
        *(f"Note: {note}" for note in notes),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _fitted(title: str, recommended: bool) -> str:
    if not title:
        return "None of these methods can be written as one network, so no classifier is written."
    fitted = f"`classifier/` is {title}, fitted to all images of all classes."
    if recommended:
        return fitted
    return (
        f"The recommended method cannot be written as one network that classifies each image by itself. "
        f"{fitted} It is what would be recommended among those that can."
    )


def parsed(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m commands.evaluate", description=__doc__)
    parser.add_argument("data", type=_path, help="a folder of class folders of images")
    parser.add_argument(
        "--methods", default="", help="rows of the study, with commas, or all: compare them on episodes"
    )
    parser.add_argument("--shots", type=_at_least(1), default=5, help="images of a class to learn from")
    parser.add_argument("--episodes", type=_at_least(2), default=100)
    parser.add_argument(
        "--adapted-episodes",
        type=_at_least(2),
        default=10,
        help="so many of them for methods that adapt whole networks",
    )
    parser.add_argument("--out", type=_path, default=Path("evaluation"), help="folder for what is written")
    return parser.parse_args(words)


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, found {value}")
        return value

    return number


if __name__ == "__main__":
    with one_message():
        main(parsed(sys.argv[1:]))
