#!/usr/bin/env bash
# DVC 3.67.1 keeps in .dvc/cache/runs what stages left earlier, a folder for each command with its dependencies and in it
# a file for each result. A folder that is there without a file ends every `dvc repro` of that stage before its command
# starts: the newest of no files is None, and None is joined to a path. The message, "join() argument must be str, bytes,
# or os.PathLike object, not 'NoneType'", says neither file nor folder. `--force` and `--no-run-cache` do not look there.
#
# Folders become empty where old results are cleared away file by file, as `find -type f -delete` does, where a copy of a
# cache brings folders before files, and by DVC's own hand: it deletes an entry that it cannot read, with a warning, and
# if that run of the stage then fails, every later one finds the folder empty, also when the stage is mended.
#
# Seen 2026-11-29, Python 3.11.7. Fails if any of it changes.
set -euo pipefail
folder=$(mktemp -d); trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$folder/site"
mkdir "$folder/work"; cd "$folder/work"
git init -q .; dvc init -q
echo 1 > in.txt
dvc stage add -q -n copy -d in.txt -o out.txt "cp in.txt out.txt"
dvc repro -q
find .dvc/cache/runs -type f -delete
[ -z "$(find .dvc/cache/runs -type f)" ]

stopped() {
    status=0; dvc repro > "$folder/out" 2>&1 || status=$?
    echo "$1: exit $status, $(tail -1 "$folder/out")"
    [ "$status" = 255 ]
    tail -1 "$folder/out" | grep -q "join() argument must be str, bytes, or os.PathLike object, not 'NoneType'"
    if grep -q "cache/runs" "$folder/out" || [ -e out.txt ]; then exit 1; fi
}
rm -f out.txt dvc.lock
stopped "emptied"
rmdir .dvc/cache/runs/*/*
dvc repro -q
echo "after rmdir: out.txt says $(cat out.txt)"

# By DVC alone: an entry without a byte, and a command that fails once.
entry=$(find .dvc/cache/runs -type f); chmod u+w "$entry"; : > "$entry"
rm -f out.txt dvc.lock
cp() { return 1; }; export -f cp
status=0; SHELL=/bin/bash dvc repro > "$folder/failed" 2>&1 || status=$?
unset -f cp
cat "$folder/failed"
[ "$status" = 255 ]; [ ! -e "$entry" ]
grep -q "corrupted cache file" "$folder/failed"
grep -q "failed to run: cp in.txt out.txt" "$folder/failed"
stopped "mended"
