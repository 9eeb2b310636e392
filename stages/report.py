"""report: the chapters of all families as what people read: metrics/, in Git, and site/, a folder of pages."""

import importlib.metadata
import platform
import shutil
from dataclasses import replace

from farfield.files import atomic_file, read_json, write_json
from farfield.report.chapters import read_chapter
from farfield.report.data_page import data_page
from farfield.report.index_page import index_page
from farfield.report.provenance_page import Provenance, in_words, provenance_page
from farfield.report.site import write_site
from stages.frame import paths
from stages.frame.code import code
from stages.frame.described import described
from stages.frame.leftovers import DATA_FOLDERS, prune_undeclared
from stages.frame.params import load_params
from stages.frame.run import run

# The chapters in the order of the navigation, and the group that each one's pages stand in.
FAMILIES = {
    "fewshot": "Few-shot",
    "indomain": "Few-shot",
    "training": "Few-shot",
    "tuning": "Fine-tuning",
    "sharing": "Multi-task",
}
RUN = "This run"
TRAININGS = (paths.NETWORKS / "training", paths.FEWSHOT / "meta/training")
# What a chapter brings whose studies a profile may leave out: DVC expects every output of a stage to be there.
EMPTY = {
    **dict.fromkeys(("spottune.json", "decathlon.json"), "{}\n"),
    "policy_map.csv": "tuned,cell\n",
    "policy_entropy.csv": "epoch,policy_entropy\n",
    "tuned_blocks.csv": "tuned_blocks,images\n",
    "sharing_scores.csv": "mean,cell\n",
    "sharing_delta.csv": "backbone_parameters,mean\n",
    "sharing_map.csv": "run,cell\n",
    "sharing_search.csv": "alternation,select\n",
}
PACKAGES = ("torch", "torchvision", "numpy", "pandas", "pillow", "dvc", "great-expectations", "hydra-core")


def main() -> None:
    params = load_params()
    prune_undeclared(params, *DATA_FOLDERS, *TRAININGS)
    chapters = [read_chapter(paths.CHAPTERS / family, group) for family, group in FAMILIES.items()]
    for chapter in chapters:
        for name, file in chapter.metrics.items():
            with atomic_file(paths.METRICS / name) as partial:
                shutil.copyfile(file, partial)
    for name, text in EMPTY.items():
        if not any(name in chapter.metrics for chapter in chapters):
            with atomic_file(paths.METRICS / name) as partial:
                partial.write_text(text)
    claims = {part: verdicts for chapter in chapters for part, verdicts in chapter.claims.items()}
    write_json(paths.METRICS / "claims.json", claims)

    folders = {name: paths.validated(name, card) for name, card in params.datasets.items()}
    validation = {name: read_json(folder / "validation.json") for name, folder in folders.items()}
    previews = {name: folder / "preview.png" for name, folder in folders.items()}
    devices = sorted({read_json(path)["device"] for folder in TRAININGS for path in folder.glob("*.json")})
    versions = {"python": platform.python_version()}
    versions |= {package: importlib.metadata.version(package) for package in PACKAGES}
    provenance: Provenance = {
        "profile": params.profile,
        "seeds": params.seeds.model_dump(),
        "versions": versions,
        "device": ", ".join(devices),
        "code": code(),
        "parameters": params.model_dump(exclude={"datasets", "seeds", "profile"}),
    }
    ran = {
        "Profile": params.profile,
        "Image size": f"{params.image_size} px",
        **{fact: value for chapter in chapters for fact, value in chapter.ran.items()},
        "Device": provenance["device"],
        "torch": versions["torch"],
    }
    pages = [page for chapter in chapters for page in chapter.pages]
    headlines = [headline for chapter in chapters for headline in chapter.headlines]
    reservations = [text for chapter in chapters for text in chapter.reservations]
    write_site(
        paths.SITE,
        [
            index_page(headlines, ran, reservations, [page.answer for page in pages if page.answer]).drawn,
            *pages,
            replace(data_page(described(params), validation, previews).drawn, group=RUN),
            replace(provenance_page(provenance).drawn, group=RUN),
        ],
        in_words(provenance["code"]),
    )


if __name__ == "__main__":
    run(main)
