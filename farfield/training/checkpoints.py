"""Tensors and facts on disk, in safetensors: no pickle, and the same bytes for the same state."""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from farfield.errors import InputError
from farfield.files import atomic_file

CHECKSUM = "sha256"  # in the metadata: of the head without it, and the data
OWNER = "whose"  # in the facts of unfinished work
PROGRESS = "progress"  # in the facts of a training's state: as text, in which keys keep their order
LARGEST_HEAD = 100_000_000  # bytes, as safetensors has it


def save_tensors(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any] | None = None) -> None:
    """Write named tensors, and `facts` as JSON in the header, atomically, with a checksum of all of it."""
    from safetensors.torch import save

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"facts": json.dumps(facts, sort_keys=True)} if facts is not None else None
    with atomic_file(path) as partial, partial.open("wb") as file:
        for part in _with_checksum(memoryview(save(plain, metadata))):
            file.write(part)  # by Python, whose error on a full disk says so


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a file by `save_tensors`, or of any other safetensors file, which has no checksum.

    InputError if it is not a safetensors file, or if its bytes are not those that were saved.
    """
    from safetensors import SafetensorError, safe_open

    _require_whole(path)
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("facts", "{}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(
            f"{path} is not a safetensors file ({error}). Weights are read from safetensors only, since "
            f"a pickle can run any code; convert them first."
        ) from error
    try:
        return tensors, dict(json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} has facts that are no JSON object: {text[:80]!r}. What farfield saves has one; it was "
            f"written by something else, or damaged."
        ) from error


def _with_checksum(file: memoryview) -> tuple[bytes, memoryview]:
    """The head and the data of a safetensors file whose head also states the checksum of both.

    The head is written anew, since safetensors orders its metadata at random.
    """
    size = int.from_bytes(file[:8], "little")
    head, data = json.loads(bytes(file[8 : 8 + size])), file[8 + size :]
    digest = hashlib.sha256(_plain(head))
    digest.update(data)
    head["__metadata__"] = head.get("__metadata__", {}) | {CHECKSUM: digest.hexdigest()}
    text = _plain(head)
    text += b" " * (-len(text) % 8)  # the data begin at a multiple of eight
    return len(text).to_bytes(8, "little") + text, data


def _plain(head: dict[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()


def _require_whole(path: Path) -> None:
    """InputError if a file states a checksum and has another one."""
    with path.open("rb") as file:
        try:
            head = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), LARGEST_HEAD)))
            said = head.get("__metadata__", {}).pop(CHECKSUM, None)
        except (ValueError, AttributeError, TypeError, RecursionError):
            return  # no head of safetensors; what reads it says so
        if said is None:
            return
        if not head["__metadata__"]:
            del head["__metadata__"]
        digest = hashlib.sha256(_plain(head))
        while piece := file.read(1 << 20):
            digest.update(piece)
    if digest.hexdigest() != said:
        raise InputError(
            f"{path} does not hold the bytes that were saved: it states the checksum {said}, and its own is "
            f"{digest.hexdigest()}. It was damaged since; `farfield doctor` says whether a cache has it whole."
        )


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as flat tensors `optimizer.<parameter>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, entries in state.items()
        for name, value in entries.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` took.

    Moments get the memory layout of their parameter: the fused optimizers walk both as flat memory,
    and would silently pair the wrong elements of a channels-last weight with a contiguous moment.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            parameter = parameters[int(index)]
            same_shape = tensor.shape == parameter.shape
            value = torch.empty_like(parameter).copy_(tensor) if same_shape else tensor
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def whose(path: Path) -> str:
    """Of unfinished work, the last parts of its path, up to the folder that a stage keeps it in, which is named
    by its parameters, inputs and code. Finished episodes lie deepest: below their dataset and settings."""
    return "/".join(path.parts[-4:])


def save_part(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a finished part of unfinished work, with whose it is."""
    save_tensors(path, tensors, {OWNER: whose(path)})


def is_part(path: Path) -> bool:
    """Whether a file of `save_part` is there with the bytes that were saved there; one that was damaged since, or
    put there from elsewhere, is said to be computed anew."""
    try:
        _, facts = load_tensors(path)
    except FileNotFoundError:
        return False
    except InputError as error:
        print(f"computed anew: {error}", file=sys.stderr)
        return False
    if facts.get(OWNER) != whose(path):
        print(f"computed anew: {path} says that it is of {facts.get(OWNER)}", file=sys.stderr)
        return False
    return True


def subset(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under `prefix`, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def save_state(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizers: Sequence[torch.optim.Optimizer],
    facts: dict[str, Any],
    best: Mapping[str, Tensor],
) -> None:
    """Write the state of a training: modules, optimizers, the facts of its progress, and whose it is.

    best: tensors that are kept as they are, of an earlier state of a module.
    """
    state = {f"best.{name}": tensor for name, tensor in best.items()}
    for part, module in modules.items():
        state |= {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}
    for number, optimizer in enumerate(optimizers):
        tensors = optimizer_tensors(optimizer)
        state |= {f"{number}.{name}": tensor for name, tensor in tensors.items()}
    save_tensors(path, state, {PROGRESS: json.dumps(facts), OWNER: whose(path)})


def restore_state(
    path: Path, modules: Mapping[str, nn.Module], optimizers: Sequence[torch.optim.Optimizer]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Put back what `save_state` wrote; returns the facts and the best tensors.

    InputError if it was written for another training than the one whose place it is in.
    """
    tensors, facts = load_tensors(path)
    if (owner := facts.get(OWNER)) != whose(path):
        raise InputError(
            f"{path} is the unfinished work of {owner or 'a training that it does not name'}, expected that of "
            f"{whose(path)}. It was put there by hand; remove it, and this training begins anew."
        )
    try:
        for part, module in modules.items():
            module.load_state_dict(subset(tensors, f"{part}."))
        for number, optimizer in enumerate(optimizers):
            restore_optimizer(optimizer, subset(tensors, f"{number}."))
        return json.loads(facts[PROGRESS]), subset(tensors, "best.")
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path} is no state of this training ({error}). Remove it, and this training begins anew."
        ) from error
