"""The tasks' ways through one shared backbone, with everything computed once that can be.

What tasks have in common is computed once. Where their ways part, their activations are stacked on the
batch dimension and go through the shared convolutions together, BatchNorm keeping them apart. Outputs,
gradients and running statistics are those of one forward pass for each task, in the order of the tasks.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from farfield.sharing.deeplab import DeeplabResNet
from farfield.sharing.norms import Groups, group_each, one_group


def soft_features(backbone: DeeplabResNet, images: Tensor, mix: Tensor, opened: int) -> list[Tensor]:
    """A feature map [n, C, h, w] for each task, with blocks mixed as in AdaShare's search.

    Block l of task k gives m relu(r + F(x)) + (1 - m) r, where r is its shortcut and m = mix[k, l, 0].

    images: [n, 3, H, W], the same for all tasks.
    mix: [K, L, 2], shares of executing and skipping that sum to 1; see `Policy.mix`.
    opened: blocks before the last so many are executed whole by every task, whatever `mix` has there.
    """
    tasks, blocks, _ = mix.shape
    groups = _start(backbone, tasks)
    x = backbone.stem(images, groups)
    for block in range(blocks - opened):
        x = backbone.run_block(block, x, groups)
    for block in range(blocks - opened, blocks):
        skipped = backbone.shortcuts[block](x, groups)
        executed = F.relu_(skipped + backbone.blocks[block](x, groups))
        # Here one map for all tasks becomes one for each: the first open block still runs but once.
        shares = mix[:, block, 0].to(x.dtype)[:, None, None, None, None]
        parts = (len(groups), len(images))
        x = torch.lerp(skipped.unflatten(0, parts), executed.unflatten(0, parts), shares).flatten(0, 1)
        groups = group_each(tasks)
    return _by_task(x, groups, tasks)


def hard_features(
    backbone: DeeplabResNet, images: Tensor, runs: Tensor, *, update_skipped: bool = False
) -> list[Tensor]:
    """A feature map [n, C, h, w] for each task, which runs the blocks that `runs` says and no other.

    A block that a task skips leaves its shortcut. Tasks are one while their policies coincide, and get
    the same tensor if they do to the end; a block that nobody runs is not computed.

    runs: bool [K, L].
    update_skipped: in training, let a block's running statistics also take in the tasks that skip it, as
        the released code does; then every block is computed for every task.
    """
    plan: list[list[bool]] = runs.tolist()
    groups = _start(backbone, len(plan))
    x = backbone.stem(images, groups)
    for block, (function, shortcut) in enumerate(zip(backbone.blocks, backbone.shortcuts, strict=True)):
        running: Groups = tuple(tuple(task for task in group if plan[task][block]) for group in groups)
        skipped = shortcut(x, groups)
        if running == groups:
            x = F.relu_(skipped + function(x, groups))
        elif update_skipped and backbone.training:
            executed = F.relu_(skipped + function(x, groups))
            parts = dict(enumerate(executed.chunk(len(groups))))
            x, groups = _branch(skipped.chunk(len(groups)), parts, groups, running)
        elif any(running):
            chosen = [part for part, run in enumerate(running) if run]
            inputs, shortcuts = x.chunk(len(groups)), skipped.chunk(len(groups))
            out = function(_take(inputs, chosen), tuple(run for run in running if run))
            executed = F.relu_(_take(shortcuts, chosen) + out)
            parts = dict(zip(chosen, executed.chunk(len(chosen)), strict=True))
            x, groups = _branch(shortcuts, parts, groups, running)
        else:
            x = skipped
    return _by_task(x, groups, len(plan))


def _start(backbone: DeeplabResNet, tasks: int) -> Groups:
    """Tasks that share BatchNorm have everything in common at first, others only the images."""
    if backbone.norm_sets not in (1, tasks):
        raise ValueError(f"a backbone of {backbone.norm_sets} tasks cannot run {tasks}")
    return one_group(tasks) if backbone.norm_sets == 1 else group_each(tasks)


def _branch(
    skipped: tuple[Tensor, ...], executed: dict[int, Tensor], groups: Groups, running: Groups
) -> tuple[Tensor, Groups]:
    """The batch after a block that some tasks run: each group's map `skipped` for its tasks that skip
    the block, `executed` for those that run it."""
    children: list[tuple[tuple[int, ...], Tensor]] = []
    for part, (group, run) in enumerate(zip(groups, running, strict=True)):
        if run:
            children.append((run, executed[part]))
        if len(run) < len(group):
            children.append((tuple(task for task in group if task not in run), skipped[part]))
    parts = tuple(group for group, _ in children)
    return torch.cat([x for _, x in children]), parts


def _take(parts: tuple[Tensor, ...], chosen: list[int]) -> Tensor:
    return parts[chosen[0]] if len(chosen) == 1 else torch.cat([parts[part] for part in chosen])


def _by_task(x: Tensor, groups: Groups, tasks: int) -> list[Tensor]:
    parts = x.chunk(len(groups))
    found = {task: part for part, group in zip(parts, groups, strict=True) for task in group}
    return [found[task] for task in range(tasks)]
