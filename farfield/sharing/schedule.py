"""When a search does what: whose turn a step is, how many blocks are open, how warm the softmax is."""

from dataclasses import dataclass

from farfield.errors import InputError
from farfield.sharing.policy_losses import opened_blocks, temperature
from farfield.sharing.recipe import SearchRecipe


@dataclass(frozen=True)
class Moment:
    """Step `step` of a search, counted from 0 as all here.

    alternation: which it is a step of. on_weights: whose turn it is, the weights' or the policy's.
    turn: how many steps of the same kind came before it. last: of its alternation.
    opened, temperature: of the policy's mixtures.
    """

    step: int
    alternation: int
    on_weights: bool
    turn: int
    last: bool
    opened: int
    temperature: float


@dataclass(frozen=True)
class Schedule:
    """A search of whole alternations, each of steps on the weights and then on the policy."""

    recipe: SearchRecipe
    weight_steps: int
    policy_steps: int
    blocks: int

    def __len__(self) -> int:
        """All steps."""
        length = self.weight_steps + self.policy_steps
        return self.recipe.iterations // length * length

    def __getitem__(self, step: int) -> Moment:
        alternation, place = divmod(step, self.weight_steps + self.policy_steps)
        on_weights = place < self.weight_steps
        recipe = self.recipe
        return Moment(
            step=step,
            alternation=alternation,
            on_weights=on_weights,
            turn=alternation * self.weight_steps + place
            if on_weights
            else alternation * self.policy_steps + place - self.weight_steps,
            last=place == self.weight_steps + self.policy_steps - 1,
            opened=opened_blocks(alternation, recipe.curriculum_speed, self.blocks),
            temperature=temperature(
                alternation, recipe.temperature, recipe.temperature_decay, recipe.temperature_lowest
            ),
        )


def schedule(recipe: SearchRecipe, weight_images: int, policy_images: int, blocks: int) -> Schedule:
    """Of a recipe and the sizes of the two parts of the data, whose passes have full batches only.

    InputError if the recipe's iterations are too few for a single alternation.
    """
    made = Schedule(
        recipe,
        recipe.weight_steps or max(1, weight_images // recipe.batch_size),
        recipe.policy_steps or max(1, policy_images // recipe.batch_size),
        blocks,
    )
    if len(made) == 0:
        raise InputError(
            f"iterations of the search is {recipe.iterations}, but one alternation takes "
            f"{made.weight_steps} steps on the weights and {made.policy_steps} on the policy; raise it, or "
            f"lower weight_steps and policy_steps"
        )
    return made
