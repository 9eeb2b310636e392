#!/usr/bin/env bash
# easyfsl 1.5.0: BD-CSPN and LaplacianShot answer otherwise when they have been asked before.
#
# `process_support_set` once and then `forward` for each batch of queries is how the library's classes are called. These two
# write the prototypes that they have mended with a batch of queries over those of the support set, and begin from them at
# the next call. The same 75 queries after one support set: asked twice in a row some answers change; asked after another
# batch of the same classes a third of them do, and the accuracy goes from 52 to 81 %. Who asks in batches measures the order
# of the batches. PrototypicalNetworks and SimpleShot, which look at no queries, give the same each time. Calling
# `process_support_set` before every `forward` makes all four answer alike each time.
#
# Seen 2026-11-29, Python 3.11.7, torch 2.13.0. Fails if any of it changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uv==0.11.33
"$folder/venv/bin/uv" pip install --quiet --python "$folder/venv/bin/python" easyfsl==1.5.0 torch==2.13.0 torchvision==0.28.0
cat > "$folder/ask.py" <<'P'
import easyfsl.methods as methods
import torch

torch.set_num_threads(1)
torch.manual_seed(0)
centres = torch.randn(5, 64)


def drawn(each):
    labels = torch.arange(5).repeat_interleave(each)
    return centres[labels] + 2 * torch.randn(len(labels), 64), labels


support, (first, truth), (second, _) = drawn(1), drawn(15), drawn(15)


def asked(name, *batches, anew=False):
    made = getattr(methods, name)(torch.nn.Identity())
    made.process_support_set(*support)
    for batch in batches:
        if anew:
            made.process_support_set(*support)
        answers = made(batch).argmax(1)
    return answers


for name in ("PrototypicalNetworks", "SimpleShot", "BDCSPN", "LaplacianShot"):
    alone, twice, after = asked(name, first), asked(name, first, first), asked(name, second, first)
    anew = asked(name, second, first, anew=True)
    changed = [int((other != alone).sum()) for other in (twice, after, anew)]
    right = [round(100 * float((answers == truth).float().mean())) for answers in (alone, after)]
    print(name, "changed", *changed, "accuracy", *right)
P
seen=$("$folder/venv/bin/python" -W ignore "$folder/ask.py")
printf '%s\n' "$seen"
[ "$seen" = "PrototypicalNetworks changed 0 0 0 accuracy 40 40
SimpleShot changed 0 0 0 accuracy 49 49
BDCSPN changed 4 26 0 accuracy 52 81
LaplacianShot changed 8 25 0 accuracy 53 77" ]
