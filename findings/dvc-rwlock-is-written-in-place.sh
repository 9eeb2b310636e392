#!/usr/bin/env bash
# DVC 3.67.1 keeps which process reads and writes which path in .dvc/tmp/rwlock, and writes that file in place: it is
# emptied first and filled then, under a guard that other DVC processes respect and a kill does not.
#
# What is left of a kill in between is an empty file, and every later `dvc repro` stops at it: "Unable to read
# RWLock-file ... JSON structure is corrupted", with no word on what to do. Removing the file is enough. The table is
# written whenever a lock is taken and whenever it is given back, so a run of many stages is in that moment often.
# A file that is replaced by renaming would have another inode; this one keeps its own, and it is empty between.
#
# Seen 2026-11-29, Python 3.11.7. Fails if any of it changes.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1
mkdir "$folder/repo"; cd "$folder/repo"
git init -q .; dvc init -q
printf 'stages:\n  copy:\n    cmd: cp in out\n    deps: [in]\n    outs: [out]\n' > dvc.yaml
echo 1 > in
dvc repro -q
before=$(stat -c %i .dvc/tmp/rwlock)
echo 2 > in
dvc repro -q
after=$(stat -c %i .dvc/tmp/rwlock)
echo "inode of the table before and after another run: $([ "$before" = "$after" ] && echo the same || echo another)"
[ "$before" = "$after" ]
cat > "$folder/watch.py" <<'P'
import os

from dvc.fs import localfs
from dvc.rwlock import rwlock
import dvc.rwlock

sizes = []
dump = dvc.rwlock.json.dump
dvc.rwlock.json.dump = lambda lock, file: (sizes.append(os.path.getsize(".dvc/tmp/rwlock")), dump(lock, file))
with rwlock(".dvc/tmp", localfs, "look", ["in"], [], False):
    pass
print("bytes in the table as each writing begins:", *sizes)
P
python "$folder/watch.py" | tee "$folder/sizes"
grep -qx "bytes in the table as each writing begins: 0 0" "$folder/sizes"
: > .dvc/tmp/rwlock
status=0; dvc repro > "$folder/out" 2>&1 || status=$?
cat "$folder/out"; echo "exit $status"
[ "$status" = 255 ]
grep -q "Unable to read RWLock-file '.dvc/tmp/rwlock'. JSON structure is corrupted" "$folder/out"
rm .dvc/tmp/rwlock
dvc repro -q && echo "and goes on once the file is removed"
