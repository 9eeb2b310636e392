#!/usr/bin/env bash
# DVC 3.67.1 takes an object of a remote for what it is called, also one of 0 bytes, although the file .dvc says beside
# the hash how many bytes there are: `dvc pull` ends with 0, and `dvc status`, which looks the hash up where the pull
# noted it, finds all up to date. The wrong bytes are in the cache now, under the right name.
#
# With `verify = true` on the remote the object is hashed and dropped, but not counted as lost: the pull still says that
# all 4 files were fetched, and then that the checkout of the folder failed, without a word on which object was wrong.
#
# Seen 2026-11-29, Python 3.11.7. Fails if any of it changes.
set -euo pipefail
folder=$(mktemp -d); trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$folder/site"
mkdir "$folder/mine"; cd "$folder/mine"
git init -q .; dvc init -q
mkdir data; for i in 1 2 3; do echo "image $i" > "data/$i"; done
dvc add -q data; dvc remote add -q -d team "$folder/remote"; dvc push -q
git add -A; git -c user.name=a -c user.email=a@example.org commit -qm all
grep -x -- "  size: 24" data.dvc
emptied=$(grep -rl "image 2" "$folder/remote"); chmod u+w "$emptied"; : > "$emptied"

git clone -q "$folder/mine" "$folder/theirs"; cd "$folder/theirs"
status=0; dvc pull > "$folder/out" 2>&1 || status=$?
echo "dvc pull: exit $status, $(tail -1 "$folder/out"); data/2 has $(stat -c %s data/2) bytes; dvc status: $(dvc status)"
[ "$status" = 0 ]; [ "$(stat -c %s data/2)" = 0 ]
dvc status | grep -q "up to date"

git clone -q "$folder/mine" "$folder/careful"; cd "$folder/careful"
dvc remote modify team verify true
status=0; dvc pull > "$folder/out" 2>&1 || status=$?
echo "with verify: exit $status"; cat "$folder/out"
[ "$status" = 1 ]
grep -qx "4 files fetched" "$folder/out"
grep -q "Checkout failed for following targets" "$folder/out"
name=$(basename "$(dirname "$emptied")")$(basename "$emptied")
if grep -q "$name" "$folder/out"; then exit 1; fi
