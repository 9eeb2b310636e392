"""What an episode costs each few-shot row, counted from the parameters, and the command that runs a row alone."""

from farfield.transfer.finetuning.settings import FineTuning
from stages.frame.params import Params
from stages.frame.schema.fewshot import FewShot

PLANS = {
    "metatest": "pipelines/fewshot/meta/dvc.yaml",
    "transductive": "pipelines/fewshot/transductive/dvc.yaml",
}
PLAN = "pipelines/fewshot/dvc.yaml"  # of the others
SHOT = 5  # of the episode whose cost is told, where a study has it


def costs(fewshot: FewShot) -> dict[str, dict[str, float]]:
    """By row {"shot", "forward", "trained"}: for one episode of `shot` support images a class, how many images
    pass forward through a network, in each view of the target that has most if the row reads views; and how many
    forward and backward besides, to adapt it."""
    shots = {shot for target in fewshot.targets.values() for shot in target.shots}
    shot = SHOT if SHOT in shots else min(shots)
    support = fewshot.way * shot
    once = support + fewshot.way * fewshot.query

    most = max(len(fewshot.views_of(target)) for target in fewshot.targets)

    def cost(networks: int = 1, passes: int = 0, viewed: bool = False) -> dict[str, float]:
        forward = networks * once * (most if viewed else 1)
        return {"shot": shot, "forward": forward, "trained": networks * passes * support}

    def epochs(settings: FineTuning | None) -> int:
        return settings.epochs if settings else 0

    found = {key: cost(viewed=row.reads == "views") for key, row in fewshot.transfer.items()}
    found |= {key: cost() for key in fewshot.transductive}
    found |= {key: cost(passes=_inner_steps(row.settings)) for key, row in fewshot.meta.items()}
    for unit in fewshot.finetune.values():
        found |= {key: cost(1, epochs(unit.settings), unit.viewed) for key in unit.rows}
    for ensemble in fewshot.ensemble.values():
        found |= {key: cost(len(ensemble.models), epochs(ensemble.adapt)) for key in ensemble.rows}
    return found


def _inner_steps(settings: dict[str, object]) -> int:
    """How often MAML goes through the support of an episode that it is tested on; 0 for what does not."""
    steps = settings.get("test_steps") or settings.get("inner_steps") or 0
    return int(steps)  # type: ignore[call-overload]


def commands(params: Params) -> dict[str, str]:
    """By row the `dvc repro` that brings its results and nothing after them."""
    fewshot = params.fewshot
    stages = {key: f"metatest@{key}" for key in fewshot.meta}
    stages |= {key: f"transfer@{key}" for key in fewshot.transfer}
    stages |= {key: f"transductive@{key}" for key in fewshot.transductive}
    stages |= {key: f"finetune@{unit}" for unit, found in fewshot.finetune.items() for key in found.rows}
    stages |= {key: f"ensemble@{unit}" for unit, found in fewshot.ensemble.items() for key in found.rows}
    return {
        key: f"dvc repro {PLANS.get(stage.partition('@')[0], PLAN)}:{stage}" for key, stage in stages.items()
    }
