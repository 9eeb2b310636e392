"""Dense metrics are summed batch by batch: memory does not grow with the test set."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from farfield.sharing.protocol import FIXED
from farfield.sharing.tasks import make_tasks
from farfield.sharing.tasks.resolution import to_target

IMAGES, BATCH, HEIGHT, WIDTH, CLASSES = 960, 8, 96, 128, 40
TASKS = ("segmentation", "normals", "depth")


def batch(number):
    """Predictions at 1/8 and targets of one batch, made anew at each call: neither form has to keep them."""
    random = torch.Generator().manual_seed(number)

    def normal(channels, divisor):
        return torch.randn(BATCH, channels, HEIGHT // divisor, WIDTH // divisor, generator=random)

    unknown = torch.rand(BATCH, 1, HEIGHT, WIDTH, generator=random) < 0.2
    labels = torch.randint(CLASSES, (BATCH, HEIGHT, WIDTH), generator=random)
    depth = normal(1, 1).exp()
    predictions = {"segmentation": normal(CLASSES, 8), "normals": normal(3, 8), "depth": normal(1, 8).exp()}
    targets = {
        "segmentation": labels.masked_fill(unknown[:, 0], -1),
        "normals": F.normalize(normal(3, 1), dim=1).masked_fill(unknown, torch.nan),
        "depth": depth.masked_fill(unknown, torch.nan),
    }
    return predictions, targets


def streamed() -> dict[str, float]:
    meters = {name: task.meter() for name, task in make_tasks("scene", TASKS, CLASSES, FIXED).items()}
    for number in range(IMAGES // BATCH):
        predictions, targets = batch(number)
        for name, meter in meters.items():
            meter.update(predictions[name], targets[name])
    return {metric: value for meter in meters.values() for metric, value in meter.compute().items()}


def reference_metrics() -> dict[str, float]:
    """The plain form: the values of all known pixels in one array each, then formulas."""
    lists: dict[str, list[np.ndarray]] = {name: [] for name in ("given", "truth", "angle", "ours", "depth")}
    for number in range(IMAGES // BATCH):
        predictions, targets = batch(number)
        large = {name: to_target(given, (HEIGHT, WIDTH)) for name, given in predictions.items()}
        known = targets["segmentation"] >= 0
        cosine = F.cosine_similarity(large["normals"].double(), targets["normals"].double())[known]
        lists["given"].append(large["segmentation"].argmax(1)[known].numpy())
        lists["truth"].append(targets["segmentation"][known].numpy())
        lists["angle"].append(np.degrees(np.arccos(cosine.clamp(-1, 1).numpy())).astype(np.float32))
        lists["ours"].append(large["depth"][:, 0][known].numpy())
        lists["depth"].append(targets["depth"][:, 0][known].numpy())
    given, truth, angle, ours, depth = (np.concatenate(parts) for parts in lists.values())
    # No test set of this kind lacks a class.
    shares = [
        ((given == c) & (truth == c)).sum() / ((given == c) | (truth == c)).sum() for c in range(CLASSES)
    ]
    error, ratio = np.abs(ours - depth), np.maximum(ours / depth, depth / ours)
    return {
        "miou": 100 * np.mean(shares),
        "pixel_accuracy": 100 * (given == truth).mean(),
        "normal_mean_angle": angle.mean(dtype=np.float64),
        "normal_median_angle": np.median(angle),
        **{f"normal_within_{limit:g}": 100 * (angle <= limit).mean() for limit in (11.25, 22.5, 30)},
        "depth_abs_error": error.mean(dtype=np.float64),
        "depth_rel_error": (error / depth).mean(dtype=np.float64),
        "depth_delta_1.25": 100 * (ratio <= 1.25).mean(),
        "depth_delta_1.25^2": 100 * (ratio <= 1.25**2).mean(),
        "depth_delta_1.25^3": 100 * (ratio <= 1.25**3).mean(),
    }


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def peak_megabytes(function) -> tuple[dict[str, float], float]:
    """What `function` returns, and by how much the process grew at most while it ran."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from now
    except OSError:
        pytest.skip("the peak of resident memory can only be reset on Linux")
    before = _resident("VmRSS:")
    result = function()
    return result, (_resident("VmHWM:") - before) / 1024


def test_memory_of_streamed_metrics_against_all_pixels_at_once(benchmark):
    """960 images of 96 x 128: a 17th of the pixels of NYU v2's test set at 480 x 640."""
    streamed()  # what the first call imports and allocates for good is nobody's
    ours, small = peak_megabytes(lambda: benchmark.pedantic(streamed, rounds=1))
    expected, large = peak_megabytes(reference_metrics)
    assert ours == pytest.approx(expected, rel=1e-5, abs=0.006)  # half a bin of the median, 0.005
    benchmark.extra_info |= {"megabytes": [round(small, 1), round(large, 1)]}
    print(f"\nstreamed: {small:.1f} MB against {large:.1f} MB, {large / small:.1f} times less")
    assert large >= 10 * small
