"""The claims of the talks on fine-tuning and on sharing: that one row is above others."""

from collections.abc import Callable
from dataclasses import dataclass

from farfield.results.claims import Claim
from farfield.results.families import SharingStudy
from farfield.results.study import Study

RANDOM = "Random Policy"
MULTI_TASK = "Multi-Task"


@dataclass(frozen=True)
class RoutingClaim(Claim):
    """SpotTune is better than other rows, which `others` finds beside its row; the first of them decides.

    names: those that the first of these rows has in the published tables.
    """

    others: Callable[[Study, str], list[str]]
    names: tuple[str, ...] = ()


def _asked(override: str) -> Callable[[Study, str], list[str]]:
    """The rows that ask SpotTune's own networks with another override of the policy."""

    def rows(study: Study, routed: str) -> list[str]:
        training = study.rows[routed]["training"]
        return [
            key
            for key, row in study.rows.items()
            if row["training"] == training and row["override"] == override
        ]

    return rows


def _random(study: Study, routed: str) -> list[str]:
    trained = [key for key, row in study.rows.items() if row["published"] == RANDOM]
    return [*trained, *_asked("random")(study, routed)]


ROUTING = (
    RoutingClaim(
        "spottune_above_finetuning",
        "SpotTune beats standard fine-tuning.",
        "SpotTune minus standard fine-tuning. The talk: better on 12 of the 14 sets of both studies.",
        lambda study, routed: [study.reference],
        ("Standard Fine-tuning", "Fine-tuning"),
    ),
    RoutingClaim(
        "routing_above_tuned_blocks",
        "Routing helps, not the tuned blocks alone.",
        "SpotTune minus the same networks with every tuned block running, whatever the policy says.",
        _asked("all_tuned"),
        ("SpotTune (running fine-tuned blocks)",),
    ),
    RoutingClaim(
        "routing_above_frozen_blocks",
        "Routing helps, not the frozen blocks alone.",
        "SpotTune minus the same networks with every frozen block running. The talk has no such row.",
        _asked("all_frozen"),
    ),
    RoutingClaim(
        "routing_above_chance",
        "A learned policy beats a random one.",
        "SpotTune minus networks that were trained with a random policy, and minus its own networks with a "
        "random policy in the place of the learned one.",
        _random,
        (RANDOM,),
    ),
    RoutingClaim(
        "routing_by_image_above_mean",
        "Deciding for each image helps.",
        "SpotTune minus the same networks with one policy for every image, the mean of the policy over the "
        "training images. The talk has no such row.",
        _asked("mean"),
    ),
)


def sharing_claims(study: SharingStudy) -> list[tuple[Claim, str | None]]:
    """The two of the talk, and one for each row beyond the tables: ablations and other policies; each with
    the row than which AdaShare is better."""
    shared = next((key for key, row in study.rows.items() if row["published"] == MULTI_TASK), None)
    costs = [study.costs[key] for key in (study.adashare, shared) if key and key in study.costs]
    counted = ""
    if len(costs) == 2:
        own, other = (cost["backbone_parameters"] for cost in costs)
        counted = f" Their backbones have {own:.2f} and {other:.2f} times the parameters of one backbone."
    found: list[tuple[Claim, str | None]] = [
        (
            Claim(
                "adashare_above_single_task",
                "AdaShare beats a network for each task.",
                "Delta of AdaShare minus that of the single-task networks, which have as many backbones as "
                "tasks.",
            ),
            study.reference,
        ),
        (
            Claim(
                "adashare_above_multi_task",
                "AdaShare beats one network for all tasks, with as many parameters.",
                f"Delta of AdaShare minus that of the multi-task network, which shares every block.{counted}",
            ),
            shared,
        ),
    ]
    for key, row in study.rows.items():
        if row["kind"] == "ablation":
            said, title = f"adashare_above_{key}", f"“{row['title']}”"
            claim = Claim(said, f"AdaShare is above {title}.", f"Delta of AdaShare minus that of {title}.")
            found.append((claim, key))
    return found
