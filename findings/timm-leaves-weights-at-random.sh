#!/usr/bin/env bash
# timm 1.0.31 loads a file that lacks most of a network's weights, and says nothing, if the network asked for has another
# number of classes than the file's.
#
# create_model(name, pretrained=True, pretrained_cfg_overlay={"file": ...}) is strict, as its documentation of
# load_pretrained says ("Strict load of checkpoint"), while the numbers of classes agree: a wrong file is an error. With
# num_classes=0, as for features, or any other number, `strict` is switched off for the whole network and not for the
# classifier alone: what the file lacks stays at random, and is told at the level of logging.INFO. Unknown names are a
# warning. A file that was cut down, or saved from another form of the network, so gives features that mean little.
#
# Seen 2026-11-29, Python 3.11.7, torch 2.13.0. Fails if any of it changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uv==0.13.9  # which finds builds of torch and torchvision that fit each other
"$folder/venv/bin/uv" pip install --quiet --python "$folder/venv/bin/python" timm==1.0.31 torch==2.13.0 torchvision==0.28.0
cat > "$folder/look.py" <<'P'
import sys

import timm
import torch
from safetensors.torch import save_file

file = sys.argv[1] + "/w.safetensors"
state = timm.create_model("resnet10t").state_dict()
save_file({name: state[name] for name in state if name.startswith("conv1.")}, file)  # the stem alone


def network(**classes):
    torch.manual_seed(0)
    return timm.create_model("resnet10t", pretrained=True, pretrained_cfg_overlay={"file": file}, **classes)


try:
    network()
    print("1000 classes: loaded")
except RuntimeError as error:
    print("1000 classes:", str(error).split(":")[0])
loaded = network(num_classes=0)
torch.manual_seed(0)
random = timm.create_model("resnet10t", num_classes=0)
first = random.state_dict()
kept = [name for name, tensor in loaded.state_dict().items() if torch.equal(tensor, first[name])]
print("0 classes: loaded, weights of the start are", sum(name.startswith("layer") for name in kept), end=" ")
print("of", sum(name.startswith("layer") for name in first), "in its layers")
P
"$folder/venv/bin/python" "$folder/look.py" "$folder" 2>&1 | tee "$folder/said"
grep -qx "1000 classes: Error(s) in loading state_dict for ResNet" "$folder/said"
grep -qx "0 classes: loaded, weights of the start are 66 of 66 in its layers" "$folder/said"
[ "$(wc -l < "$folder/said")" = 2 ] && echo "and nothing else was said"
