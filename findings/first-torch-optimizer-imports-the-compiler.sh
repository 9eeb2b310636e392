#!/usr/bin/env bash
# torch 2.13.0: making the first optimizer of a process imports torch's compiler.
#
# `import torch` alone leaves torch._dynamo, torch._inductor and sympy out. The first torch.optim.SGD(...) brings in
# all three with some hundreds of modules, though nothing is compiled: about two CPU seconds, more than half of what
# `import torch` itself takes. A program that starts many short trainings as processes pays it in each of them, and
# a profile shows it as the time of the constructor. There is no public switch; importing torch._dynamo once in the
# process that others are forked from, as `make repro` does, pays it once.
#
# Seen 2026-11-29, CPU build, Python 3.11.7. Fails if the constructor imports none of the three, or if torch does.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'P'
import sys
import time

import torch

names = ("torch._dynamo", "torch._inductor", "sympy")
before, begin = set(sys.modules), time.process_time()
assert not before.intersection(names), "torch itself imports them now"
torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
new = set(sys.modules) - before
print(f"{len(new)} modules, {time.process_time() - begin:.1f} CPU seconds: {', '.join(sorted(new.intersection(names)))}")
assert new.issuperset(names), "the constructor no longer imports them"
P
