"""The plan of the house: no package imports upward or in a circle, and a new family of methods needs little."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_study import dataset
from test_plan import ROOT, imports
from test_site import Reader

from farfield.report.claims_tables import claims_table, sections
from farfield.report.index_page import Headline, index_page
from farfield.report.numbers import claims_metrics
from farfield.report.site import csv, write_site
from farfield.report.study_page import Section, StudyPage
from farfield.report.tables import accuracy_table, paired_table
from farfield.report.wording import Wording, signed
from farfield.results.claims import Claim
from farfield.results.findings import Findings
from farfield.results.judging import judge_pairs
from farfield.results.scores import SCORES
from farfield.results.study import Study, Varies
from farfield.seeds import stream

# Each package imports only those before it, besides the files that stand in no package.
FLOORS = [
    "datasets",
    "backbones",
    "training",
    "networks",
    "episodes",
    "transfer",
    "metalearning",
    "probing",
    "deployment",
    "tuning",
    "sharing",
    "results",
    "report",
    "own",
    "command",
]


def packages(path: Path) -> set[str]:
    """The packages of farfield that a file imports, its own not among them."""
    own = path.relative_to(ROOT / "farfield").parts[0]
    found = {name.split(".")[1] for name in imports(path) if name.startswith("farfield.")}
    return {name for name in found if (ROOT / "farfield" / name).is_dir()} - {own}


def test_packages_import_neither_upward_nor_in_a_circle():
    folders = {path.parent.name for path in (ROOT / "farfield").glob("*/__init__.py")}
    assert folders == set(FLOORS)
    upward = {
        (own, other)
        for own in FLOORS
        for path in (ROOT / "farfield" / own).rglob("*.py")
        for other in packages(path)
        if FLOORS.index(other) > FLOORS.index(own)
    }
    assert not upward


def test_results_know_neither_figures_nor_pages():
    for path in (ROOT / "farfield/results").glob("*.py"):
        text = path.read_text()
        assert not any(word in text for word in ("matplotlib", "jinja2", "markupsafe", "farfield.report")), (
            path
        )


# A new family of methods: retrieval, whose methods answer queries several times with other seeds.


def retrieval_scores(results: pd.DataFrame) -> pd.DataFrame:
    """The adapter: SCORES from columns method, dataset, query, seed, recall (a share)."""
    table = results.rename(columns={"method": "row", "dataset": "cell", "query": "unit", "seed": "training"})
    table = table.assign(study="retrieval", metric="accuracy", value=100 * table["recall"])
    return table.assign(training=table["training"].astype(str))[SCORES]


@pytest.fixture
def found() -> Findings[Study]:
    frames = []
    for name in ("birds", "maps"):
        hard = stream(0, name).random(80)
        for method, level in (("hashing", 0.4), ("learned", 0.7)):
            for seed in range(3):
                right = hard + stream(seed, name, method).normal(0, 0.1, 80) < level
                cell = {"method": method, "dataset": name, "query": np.arange(80), "seed": seed}
                frames.append(pd.DataFrame({**cell, "recall": right.astype(float)}))
    study = Study(
        "retrieval",
        retrieval_scores(pd.concat(frames, ignore_index=True)),
        {"hashing": {"title": "Hashing", "published": ""}, "learned": {"title": "Learned", "published": ""}},
        {"birds": dataset("Birds", ""), "maps": dataset("Maps", "")},
        "hashing",
        varies=Varies(trainings="both"),
        caveats=("Eighty queries a set.",),
    )
    claim = Claim("learned_above_hashing", "Learned codes find more.", "Learned minus hashing.")
    return Findings(study, partial(judge_pairs, pairs=[(claim, "learned", "hashing")], metric="accuracy"))


def test_a_new_family_needs_an_adapter_a_study_and_a_list_of_sections(found, tmp_path):
    study, parts = found.study, found.parts
    wording = Wording(
        "Sets",
        "Verdicts",
        "Note.",
        lambda one, whole: f"By {signed(whole.difference)} points.",
        lambda talk: "",
    )
    judged = {name: part.claims for name, part in parts.items()}
    [(claim, [(_, one, sentence, _, evidence)])] = sections(parts, judged, wording, "Sets")
    verdicts = claims_table({"": found.claims}, wording)
    page = StudyPage(
        study.name,
        "Retrieval",
        "Retrieval",
        study.reservations,
        [
            Section("recall", "Recall", [("table", accuracy_table(found))]),
            Section(
                "claims", claim.statement, [("table", verdicts), ("text", sentence), ("titled", evidence)]
            ),
            Section("paired", "Differences", [("table", paired_table(found))]),
        ],
        csv(found.summary, 4),
        [accuracy_table(found), verdicts],
        texts={"lead": "Which images are alike?"},
    )
    index = index_page([Headline("retrieval", "Retrieval", "", verdicts).drawn], {})
    write_site(tmp_path / "site", [index.drawn, page.page.drawn])
    text = Reader((tmp_path / "site" / "retrieval.html").read_text(encoding="utf-8")).text
    assert {"Which images are alike?", "Learned codes find more.", "Eighty queries a set."} <= set(
        map(str.strip, text.splitlines())
    )
    assert one.verdict == "supported"
    assert f"By {signed(one.first.whole.difference)} points." in text
    table = pd.read_csv(tmp_path / "site" / "retrieval.csv").set_index(["row", "cell"])
    birds = study.scores[(study.scores["cell"] == "birds") & (study.scores["row"] == "learned")]
    assert table.loc[("learned", "birds"), "mean"] == pytest.approx(birds["value"].mean(), abs=1e-4)
    assert table.loc[("learned", "birds"), "trainings"] == 3
    assert "| Learned" in (tmp_path / "site" / "retrieval.md").read_text(encoding="utf-8")
    metrics = claims_metrics(found.claims)["learned_above_hashing"]
    both = [
        study.units[name]["learned"].mean() - study.units[name]["hashing"].mean()
        for name in ("birds", "maps")
    ]
    assert metrics["difference"] == pytest.approx(np.mean(both), abs=0.5)
    assert metrics["verdict"] == "supported"
    assert found.claims[0].first.whole.difference == pytest.approx(np.mean(both), abs=0.01)
