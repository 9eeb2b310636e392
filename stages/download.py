"""download@<dataset>: bring its archives to data/raw/<dataset>/, each checked before it is used.

A dataset with archives takes them from the mirror or their urls; a folder on this machine is packed
into one archive; a procedural domain is rendered into one.
"""

import hashlib
import shutil
import sys
from pathlib import Path

from farfield.files import atomic_folder
from farfield.local import load_local
from stages.frame import paths
from stages.frame.params import load_params
from stages.frame.run import run


def main(dataset: str) -> None:
    params, local = load_params(), load_local()
    card = params.card(dataset)
    target = paths.raw(dataset)
    if card.generator:
        from farfield.datasets.procedural import write_generated

        with atomic_folder(target) as partial:
            write_generated(card.generator, params.seeds.generate, partial / f"{dataset}.zip")
        return

    if card.folder:
        from farfield.datasets.zipping import zip_folder

        with atomic_folder(target) as partial:
            zip_folder(Path(card.folder), partial / f"{dataset}.zip")
        return
    from farfield.datasets import archives
    from farfield.datasets.download import fetch

    # Downloads wait here, outside the outputs that DVC clears before each run, until all are complete.
    key = hashlib.sha256(repr(card.archives).encode()).hexdigest()[:16]
    waiting = Path(".farfield/downloads") / f"{dataset}-{key}"
    for name, archive in card.archives.items():
        if not (waiting / name).exists():
            walk = archives.scan if name.lower().endswith(archives.SUFFIXES) else None
            said = fetch(name, archive, waiting / name, local.mirror, card.access, walk=walk)
            print(said, file=sys.stderr)
    with atomic_folder(target) as partial:
        for name in card.archives:
            shutil.move(waiting / name, partial / name)
    waiting.rmdir()


if __name__ == "__main__":
    run(main)
