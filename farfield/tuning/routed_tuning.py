"""A network with two branches a block and a policy that chooses between them, ready for training."""

import torch

from farfield.backbones.backbone import Backbone
from farfield.seeds import integer_seed
from farfield.settings import AboveZero, AtLeastZero, Positive, keyword_settings
from farfield.tuning.adapted import Adapted, FrozenNorm, classifier, trained
from farfield.tuning.policy import PolicyKind, PolicyNet
from farfield.tuning.routing import Routed, RoutedPart, Stem, routed_blocks


@keyword_settings
class RoutedTuning:
    """Routed blocks have a frozen and a tuned branch; policy and network are trained together, by
    cross-entropy alone. Defaults are those of the released code, for the Visual Decathlon.

    routed: "all" blocks, "last8", which the paper's decathlon has, or the last so many.
    frozen_norm: what BatchNorm of all that is frozen does; the released code freezes convolutions only.
    stem: what is before the first block; the released code trains it.
    temperature: of the Gumbel softmax; it scales the policy's gradient, not its decisions.
    policy, policy_width: the policy network. policy_scale: its share of the learning rate, 0.1 in the
        decathlon (0.01 against 0.1), 0.01 in the five-dataset table (1e-4 against 1e-2).
    policy_weight_decay: its own weight decay, which pulls decisions to a fair coin.
    """

    seed: int
    routed: RoutedPart = "all"
    frozen_norm: FrozenNorm = "adapt"
    stem: Stem = "trained"
    temperature: AboveZero = 5.0
    policy: PolicyKind = "resnet26"
    policy_width: Positive = 64
    policy_scale: AboveZero = 0.1
    policy_weight_decay: AtLeastZero = 1e-3

    def __call__(self, backbone: Backbone, classes: int) -> Adapted:
        plain = classifier(backbone, classes, self.seed)
        torch.manual_seed(integer_seed(self.seed, "policy"))
        policy = PolicyNet(len(routed_blocks(plain, self.routed)), self.policy, self.policy_width)
        network = Routed(
            plain,
            policy,
            routed=self.routed,
            frozen_norm=self.frozen_norm,
            stem=self.stem,
            temperature=self.temperature,
            seed=self.seed,
        )
        own = {"scale": self.policy_scale, "weight_decay": self.policy_weight_decay}
        return Adapted(network, trained([plain]) + trained([policy], **own), figures=network.figures)
