"""Multi-task studies with made-up scores, for the tests of their pages."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
from made_up_study import dataset

from farfield.report.index_page import index_page
from farfield.report.policies import sharing_page
from farfield.report.sharing import sharing_headlines, sharing_pages
from farfield.report.site import Drawn
from farfield.results.families import SharingStudy, sharing_study
from farfield.results.findings import Findings
from farfield.results.judging import judge_sharing
from farfield.results.policies import history_frame
from farfield.results.published import sharing
from farfield.seeds import stream
from farfield.sharing.metrics import HIGHER_IS_BETTER

STAGES = (2, 2, 2, 2)
BLOCKS = 8
TASKS = {
    "cityscapes": ("segmentation", "depth"),
    "nyuv2": ("segmentation", "normals", "depth"),
    "taskonomy": ("segmentation", "normals", "depth", "keypoints", "edges"),
}
OF_METRIC = {
    "miou": "segmentation",
    "pixel_accuracy": "segmentation",
    "segmentation_loss": "segmentation",
    "keypoint_error": "keypoints",
    "edge_error": "edges",
}


def task_of(metric: str) -> str:
    return OF_METRIC.get(metric) or ("normals" if metric.startswith("normal") else "depth")


def row(title: str, published: str, kind: str) -> dict:
    return {"title": title, "published": published, "kind": kind}


METHODS = {
    "single_task": row("Single-Task <b>|", "Single-Task", "baseline"),
    "multi_task": row("Multi-Task", "Multi-Task", "baseline"),
    "cross_stitch": row("Cross-Stitch", "Cross-Stitch", "baseline"),
    "sluice": row("Sluice", "Sluice", "baseline"),
    "nddr": row("NDDR-CNN", "NDDR-CNN", "baseline"),
    "mtan": row("MTAN", "MTAN", "baseline"),
    "adashare": row("AdaShare", "AdaShare", "adashare"),
    "random_policy": row("Random policy", "", "ablation"),
    "stochastic_depth": row("Stochastic depth", "", "ablation"),
    "without_curriculum": row("AdaShare without curriculum", "", "ablation"),
    "without_sparsity": row("AdaShare without sparsity", "", "ablation"),
    "without_sharing": row("AdaShare without sharing", "", "ablation"),
    "constant": row("Constant predictor", "", "reference"),
}
# How much better than single-task networks, in percent, and how many samples.
LEVELS = {
    "single_task": (0.0, 3),
    "multi_task": (-4.0, 3),
    "cross_stitch": (1.0, 1),
    "sluice": (-1.0, 1),
    "nddr": (2.0, 1),
    "mtan": (1.5, 1),
    "adashare": (6.0, 8),
    "random_policy": (-3.0, 4),
    "stochastic_depth": (-5.0, 1),
    "without_curriculum": (4.0, 4),
    "without_sparsity": (5.9, 4),
    "without_sharing": (3.0, 4),
    "constant": (-60.0, 1),
}
POLICIES = ("adashare", "random_policy")


def scores(name: str, metrics: dict[str, float], higher: dict[str, bool], protocol: str) -> pd.DataFrame:
    """Every metric is better than `metrics` by about the level of its row."""
    rows = []
    for method, (level, samples) in LEVELS.items():
        for sample in range(samples):
            noise = stream(0, name, method, sample)
            selection = float("nan") if samples == 1 else float(noise.random())
            for metric, value in metrics.items():
                gain = 1 + (level + noise.normal(0, 0.8)) / 100
                score = value * (gain if higher[metric] else 2 - gain)
                training = f"{name}-{sample}"
                rows.append((method, sample, training, task_of(metric), metric, score, selection, protocol))
    columns = ["method", "sample", "training", "task", "metric", "value", "selection", "protocol"]
    return pd.DataFrame(rows, columns=columns)


def policy(name: str, samples: int) -> dict:
    """Tasks skip late blocks; the first two are alike."""
    tasks = len(TASKS[name])
    common = np.linspace(0.95, 0.5, BLOCKS)
    noise = stream(0, name, "policy").normal(0, 0.12, (tasks, BLOCKS))
    noise[1] = noise[0] + 0.02
    select = np.clip(common + noise, 0.02, 0.98)
    draws = [stream(0, name, "run", sample).random((tasks, BLOCKS)) for sample in range(samples)]
    return {"select": select, "runs": [draw < select for draw in draws]}


def history(name: str, alternations: int = 20) -> list[dict]:
    """A search that opens a block every second alternation, as `search` records it."""
    target = policy(name, 1)["select"]
    rows = []
    for number in range(1, alternations + 1):
        opened = min(BLOCKS, (number - 1) // 2 + 1)
        since = np.clip(number - 2 * np.arange(BLOCKS)[::-1], 0, None)
        select = 0.5 + (target - 0.5) * (1 - np.exp(-since / 12))
        facts = {"alternation": number, "opened": opened, "temperature": 5 * 0.965**number}
        facts |= {"sparsity": 1.4 - number / 100, "sharing": number / 50, "logit_gradient": 1 / number}
        for i, task in enumerate(TASKS[name]):
            facts |= {f"loss_{task}": (i + 1) / number**0.4, f"policy_loss_{task}": (i + 1.3) / number**0.4}
        rows.append({**facts, "select": select.tolist()})
    return rows


def examples(name: str, count: int = 3, side: int = 24, classes: int = 4) -> dict:
    """Discs in front of a slanted wall, a little wrong in predictions at a quarter of the size."""
    generator = stream(0, name, "examples")
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side)))
    centres = generator.uniform(-0.5, 0.5, (count, 2, 1, 1))
    distance = np.square(grid - centres).sum(1)
    disc = distance < 0.25
    labels = np.where(disc, 1 + np.arange(count)[:, None, None] % (classes - 1), 0)
    labels[:, :3, :3] = -1
    depth = np.where(disc, 1.5, 3 + grid[0])[:, None].astype(np.float32)
    depth[:, :, :3, :3] = np.nan
    normals = np.stack(np.broadcast_arrays(grid[0] * disc, -np.ones((count, side, side)), grid[1] * disc), 1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    blob = 2 * np.exp(-4 * distance)[:, None] - 1
    truths = {"segmentation": labels, "normals": normals, "depth": depth, "keypoints": blob, "edges": -blob}
    truths = {task: truths[task] for task in TASKS[name]}
    images = np.where(disc[..., None], [200, 90, 60], [120, 140, 160]).astype(np.uint8)
    predictions = {}
    for method in ("single_task", "multi_task", "adashare"):
        small = {task: value[..., ::4, ::4] for task, value in truths.items()}
        noise = {task: generator.normal(0, 0.15, value.shape) for task, value in small.items()}
        own = {task: np.nan_to_num(value) + noise[task] for task, value in small.items()}
        own["segmentation"] = np.maximum(small["segmentation"], 0)
        predictions[method] = own
    names = ["wall", "ball", "box", "<drum>"][:classes]
    return {"images": images, "truths": truths, "predictions": predictions, "classes": names}


def costs(tasks: int) -> dict[str, dict[str, float]]:
    multiples = {
        "single_task": tasks,
        "cross_stitch": tasks,
        "sluice": tasks,
        "nddr": 1.05 * tasks,
        "mtan": 1.5,
    }
    shares = {"multi_task": 1 / tasks, "adashare": 0.8}
    found = {}
    for method in METHODS:
        if method != "constant":
            own = float(multiples.get(method, 1))
            found[method] = {
                "backbone_parameters": own,
                "parameters": 2.1e5 * own + 9e4 * tasks,
                "backbone_macs": 1.2e7 * tasks * (0.9 if method in POLICIES else 1.0),
                "macs": 1.2e7 * tasks * shares.get(method, 1.0) + 8e6 * tasks,
            }
    return found


def made_up_results(name: str, protocol: str = "fixed") -> pd.DataFrame:
    """About the published single-task scores, in the form of the results of a run."""
    table = sharing(name)
    single = table[table["method"] == "Single-Task"].set_index("metric")["value"].to_dict()
    return scores(name, single, HIGHER_IS_BETTER, protocol)


@cache
def study(name: str = "nyuv2") -> SharingStudy:
    """One object for all who change nothing, so that it is summed up once."""
    return changed_study(name)


def changed_study(
    name: str = "nyuv2", card: dict | None = None, protocol: str = "fixed", **changed
) -> SharingStudy:
    published = {"cityscapes": "CityScapes", "nyuv2": "NYU v2", "taskonomy": "Taskonomy"}[name]
    settings = {
        "train_images": 400,
        "test_images": 120,
        "costs": costs(len(TASKS[name])),
        "policies": {method: policy(name, LEVELS[method][1]) for method in POLICIES},
        "history": {"adashare": history_frame(history(name), TASKS[name])},
        "examples": examples(name),
        "stages": STAGES,
        "caveats": ("Trained for 150 iterations where the paper has 20,000.",),
    }
    return sharing_study(
        name,
        made_up_results(name, protocol),
        METHODS,
        TASKS[name],
        card or dataset("Rooms", published, procedural=True),
        **(settings | changed),
    )


def studies() -> dict[str, SharingStudy]:
    sample = dataset("NYU v2", "NYU v2", mirror="14 images")
    return {
        "cityscapes": study("cityscapes"),
        "nyuv2": changed_study("nyuv2", sample, "legacy", train_images=10, test_images=4),
        "taskonomy": replace(study("taskonomy"), depth_unit=""),
    }


def sharing_site() -> list[Drawn]:
    shown = studies()
    found = {name: Findings(study, judge_sharing) for name, study in shown.items()}
    sharing = sharing_page(shown)
    assert sharing is not None
    headlines = [headline.drawn for headline in sharing_headlines(found)]
    pages = [*sharing_pages(found), sharing]
    said = [page.answer for page in pages if page.answer]
    return [page.drawn for page in (index_page(headlines, {"Profile": "tiny"}, answers=said), *pages)]
