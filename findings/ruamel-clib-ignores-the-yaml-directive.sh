#!/usr/bin/env bash
# ruamel.yaml 0.19.1 with and without its optional parser in C, ruamel.yaml.clib 0.2.15 (extra `oldlibyaml`).
#
# The parser is taken silently as soon as the package is installed, and is four times faster. But
# YAML(typ="safe") then ignores a `%YAML 1.1` directive: under it `yes` and 012 are the boolean true and ten, and
# the parser in C gives the string "yes" and twelve, as without the directive. In a flow mapping it refuses a plain
# 12:30, which the parser in Python reads; a tab after a colon is the other way round. Whoever adds the package, or
# one that brings it, to an environment changes what the same file means there. DVC 3.67.1 reads params.yaml so.
#
# Without a directive both give the same for 1e-4, 012, yes and, in a block, 12:30.
# Seen 2026-11-29, Python 3.11.7. Fails if any of it changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ruamel.yaml==0.19.1
cat > "$folder/read.py" <<'P'
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

texts = ("%YAML 1.1\n---\n{a: yes, b: 012}\n", "{a: yes, b: 012, c: 1e-4}\n", "a: 12:30\n", "{a: 12:30}\n", "a:\tb\n")
for text in texts:
    try:
        print(YAML(typ="safe").load(text))
    except YAMLError as error:
        print(type(error).__name__)
P
without=$("$folder/venv/bin/python" "$folder/read.py")
"$folder/venv/bin/pip" install --quiet ruamel.yaml.clib==0.2.15
with=$("$folder/venv/bin/python" "$folder/read.py")
printf 'in Python:\n%s\nin C:\n%s\n' "$without" "$with"
[ "$without" = "{'a': True, 'b': 10}
{'a': 'yes', 'b': 12, 'c': 0.0001}
{'a': '12:30'}
{'a': '12:30'}
ScannerError" ]
[ "$with" = "{'a': 'yes', 'b': 12}
{'a': 'yes', 'b': 12, 'c': 0.0001}
{'a': '12:30'}
ScannerError
{'a': 'b'}" ]
