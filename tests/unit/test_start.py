"""What a stage imports before it does anything: DVC starts one process a stage, about a hundred in all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A stage may import these of HEAVY at its start, and none else: the others where they are used, if at all.
STARTS = {
    "download": set(),
    "pack": {"PIL"},
    "validate": set(),
    "episodes": set(),
    "pretrain": {"torch"},
    "weights": {"torch"},
    "embed": {"torch"},
    "transfer": {"torch"},
    "views": {"torch"},
    "transductive": {"torch"},
    "metatrain": {"torch"},
    "metatest": {"torch"},
    "spine": {"torch"},
    "indomain": {"torch"},
    "finetune": {"torch"},
    "ensemble": {"torch"},
    "tune": {"torch"},
    "baseline": {"torch"},
    "warmup": {"torch"},
    "search": {"torch"},
    "retrain": {"torch"},
    "branch": {"torch"},
    "recommend": {"torch"},
    # Nothing of a study can be said without tables.
    "report_fewshot": {"pandas", "pyarrow"},
    "report_tuning": {"pandas", "pyarrow"},
    "report_sharing": {"pandas", "pyarrow"},
    "report_indomain": {"pandas", "pyarrow"},
    "report_training": {"pandas", "pyarrow"},
    "report": set(),
}

HEAVY = [
    "torch",
    "torch._dynamo",
    "torch._inductor",
    "torch.onnx",
    "torchvision",
    "torchmetrics",
    "triton",
    "sympy",
    "networkx",
    "onnx",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "h5py",
    "matplotlib",
    "PIL",
    "great_expectations",
    "omegaconf",
    "hydra",
    "antlr4",
    "dvc",
    "requests",
    "fsspec",
    "aiohttp",
    "ray",
]

# Every stage imports what LIGHT names. Each is imported in a fork of one interpreter, which pays for them
# once, and for torch once too: after the stages that do without.
SCRIPT = """
import importlib, json, os, sys
heavy, light, plain, rest = map(json.loads, sys.argv[1:])

def start(stage):
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            importlib.import_module(f"stages.{stage}")
            found = [name for name in heavy if name in sys.modules]
        except BaseException as error:
            found = [f"{type(error).__name__}: {error}"]
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        found = json.load(pipe)
    os.wait()
    return found

for name in light:
    importlib.import_module(name)
found = {stage: start(stage) for stage in plain}
if rest:
    import torch
    found |= {stage: start(stage) for stage in rest}
print(json.dumps(found))
"""
LIGHT = ["numpy", "pydantic", "psutil", "tqdm", "yaml"]


@pytest.fixture(scope="module")
def starts() -> dict[str, list[str]]:
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    with_torch = [stage for stage, allowed in STARTS.items() if "torch" in allowed]
    without = [stage for stage in STARTS if stage not in with_torch]
    words = [json.dumps(part) for part in (HEAVY, LIGHT, without, with_torch)]
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize("stage", STARTS)
def test_a_stage_starts_with_no_heavy_import_but_its_own(stage, starts):
    assert {*starts[stage]} <= STARTS[stage]


def test_every_stage_is_listed():
    modules = {path.stem for path in (ROOT / "stages").glob("*.py") if "    run(main)\n" in path.read_text()}
    assert modules == {*STARTS}
