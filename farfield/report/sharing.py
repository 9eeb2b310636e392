"""The multi-task studies as pages of the site, headlines of its first page, metrics and tables for plots."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from farfield.report import sharing_tables as tables
from farfield.report.cells import Table, markdown
from farfield.report.index_page import Headline
from farfield.report.sharing_claims_tables import claims_table, evidence_table, sentence
from farfield.report.sharing_costs import cost_table
from farfield.report.sharing_examples import example_grids
from farfield.report.sharing_pictures import cost_picture, delta_picture, map_picture, policy_pictures
from farfield.report.sharing_policies import policy_map, policy_table, search_history
from farfield.report.site import Page, assets_of
from farfield.results.sharing_claims import JudgedSharing, claims_metrics, judge
from farfield.results.sharing_statistics import OVERALL, summarise, summarise_deltas
from farfield.results.sharing_study import SharingName, SharingStudy

TITLES: dict[SharingName, str] = {
    "cityscapes": "One network, two tasks",
    "nyuv2": "One network, three tasks",
    "taskonomy": "One network, five tasks",
}
# Not the names of the published datasets, as other images may stand in for these.
SHORT_TITLES: dict[SharingName, str] = {
    "cityscapes": "Two tasks",
    "nyuv2": "Three tasks",
    "taskonomy": "Five tasks",
}
Metrics = dict[str, str | dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Findings:
    """What is shown of a study, computed once."""

    study: SharingStudy

    @cached_property
    def summary(self) -> pd.DataFrame:
        return summarise(self.study)

    @cached_property
    def deltas(self) -> pd.DataFrame:
        return summarise_deltas(self.study)

    @cached_property
    def claims(self) -> tuple[JudgedSharing, ...]:
        return judge(self.study)

    @property
    def rows(self) -> list[str]:
        """All but the ablations and other policies, which have a section of their own."""
        return self.study.of_kind("baseline", "adashare", "reference")

    @property
    def ablations(self) -> list[str]:
        """AdaShare and the rows beyond the tables, ablations or other policies; empty without these."""
        found = self.study.of_kind("ablation")
        own = [self.study.adashare] if self.study.adashare else []
        return [*own, *found] if found else []

    @property
    def score_pairs(self) -> list[tuple[Table, Table | None]]:
        """Ours and the published, a pair a task."""
        ours = tables.score_tables(self.study, self.summary, self.rows)
        return list(zip(ours, tables.published_tables(self.study), strict=True))

    @property
    def delta_table(self) -> Table | None:
        return tables.delta_table(self.study, self.deltas, self.rows) if self.study.has_deltas else None

    @property
    def ablation_deltas(self) -> Table | None:
        known = self.ablations and self.study.has_deltas
        return tables.delta_table(self.study, self.deltas, self.ablations) if known else None

    @property
    def ablation_scores(self) -> list[Table]:
        return tables.score_tables(self.study, self.summary, self.ablations) if self.ablations else []


def sharing_pages(studies: Mapping[SharingName, SharingStudy]) -> list[Page]:
    """A page for each study that has results."""
    return [_page(study) for study in studies.values() if len(study.results)]


def sharing_headlines(studies: Mapping[SharingName, SharingStudy]) -> list[Headline]:
    """What the first page shows of each study: its verdicts, and AdaShare's policy map if there is one."""
    return [_headline(study) for study in studies.values() if len(study.results)]


def sharing_metrics(study: SharingStudy) -> Metrics:
    """{"protocol": name, method: {task: {metric: mean, "<metric>_std", "delta", "delta_std"}, "overall": ...}}.

    Deviations only of rows with several distinct trainings; "overall" holds the Delta over tasks and the
    numbers of samples and of distinct trainings; "costs" what was counted.
    """
    result: dict[str, dict[str, dict[str, float]]] = {}
    for row in summarise(study).to_dict("records"):
        cell = result.setdefault(row["method"], {}).setdefault(row["task"], {})
        cell[row["metric"]] = round(float(row["mean"]), 4)
        if row["trainings"] > 1:
            cell[f"{row['metric']}_std"] = round(float(row["std"]), 4)
    for row in summarise(study).drop_duplicates("method").to_dict("records"):
        result[row["method"]][OVERALL] = {"samples": row["samples"], "trainings": row["trainings"]}
    for row in summarise_deltas(study).to_dict("records"):
        cell = result[row["method"]][row["task"]]
        cell["delta"] = round(float(row["mean"]), 2)
        if row["trainings"] > 1:
            cell["delta_std"] = round(float(row["std"]), 2)
    for method in result:
        if method in study.costs:
            costs = study.costs[method]
            result[method]["costs"] = {
                "backbone_parameters": round(costs["backbone_parameters"], 3),
                "parameters": round(costs["parameters"]),
                "backbone_macs": round(costs["backbone_macs"]),
                "macs": round(costs["macs"]),
            }
    return {"protocol": study.protocol, **result}


def sharing_claims_metrics(study: SharingStudy) -> dict[str, dict[str, float | str]]:
    """{claim: {"verdict", "difference", "ci95", ...}} of `sharing_claims`, for claims.json."""
    return claims_metrics(judge(study))


def plotted_sharing(studies: Mapping[SharingName, SharingStudy]) -> dict[str, pd.DataFrame]:
    """Tables for `dvc plots`, by file name, with a column `cell` that tells studies, rows and tasks apart.

    sharing_scores, sharing_delta (with costs), sharing_map, sharing_search.
    """
    found: dict[str, list[pd.DataFrame]] = {}
    for name, study in studies.items():
        if study.results.empty:
            continue
        costs = pd.DataFrame.from_dict(dict(study.costs), orient="index").rename_axis("method").reset_index()
        deltas = summarise_deltas(study)
        if len(costs):
            deltas = deltas.merge(costs, on="method", how="left")
        frames = {
            "sharing_scores": summarise(study),
            "sharing_delta": deltas,
            "sharing_map": policy_map(study),
            "sharing_search": search_history(study),
        }
        for file, frame in frames.items():
            cell = name + " " + frame["method"].astype(str) + " " + frame["task"].astype(str)
            found.setdefault(file, []).append(frame.assign(study=name, cell=cell).round(4))
    return {file: pd.concat(frames, ignore_index=True) for file, frames in found.items()}


def sharing_markdown(study: SharingStudy) -> str:
    """The tables of a study's page as Markdown, for a README or a merge request."""
    shown = Findings(study)
    grids = [shown.delta_table, tables.published_delta_table(study)]
    grids += [grid for pair in shown.score_pairs for grid in pair]
    grids += [tables.learned_table(study), claims_table(shown.claims)]
    grids += [shown.ablation_deltas, *shown.ablation_scores, cost_table(study)]
    texts = [f"# {TITLES[study.name]}\n", *(f"> {text}\n" for text in study.reservations)]
    return "\n".join([*texts, *(markdown(grid) for grid in grids if grid)])


def _page(study: SharingStudy) -> Page:
    shown = Findings(study)
    own = study.adashare if study.adashare in study.policies else None
    policy = policy_table(study, own) if own else None
    drawn_policy = policy_pictures(study, own) if own else ()
    pictures = {"delta": delta_picture(study), "costs": cost_picture(study)}
    grids = example_grids(study)
    context = {
        "study": study,
        "title": TITLES[study.name],
        "shown": shown,
        "published_deltas": tables.published_delta_table(study),
        "learned": tables.learned_table(study),
        "claims": claims_table(shown.claims),
        "claim_sections": [(one, sentence(one)) for one in shown.claims],
        "evidence": evidence_table(shown.claims),
        "costs": cost_table(study),
        "policy": policy,
        "policy_title": study.methods[own]["title"] if own else "",
        "policy_pictures": drawn_policy,
        "policies": bool(study.policies),
        "pictures": pictures,
        "grids": grids,
        "reference": study.methods[study.reference]["title"] if study.has_deltas else "",
    }
    drawn = [picture for picture in pictures.values() if picture]
    drawn += drawn_policy
    drawn += [picture for grid in grids for picture in grid.columns]
    assets = assets_of(drawn)
    assets |= {
        f"{study.name}.csv": _csv(shown),
        f"{study.name}.md": sharing_markdown(study).encode(),
    }
    return Page(study.name, SHORT_TITLES[study.name], "sharing_study.html.j2", context, assets)


def _headline(study: SharingStudy) -> Headline:
    own = study.adashare
    count = len([key for key in study.shown_methods if key != study.constant])
    lead = (
        f"{count} {'ways' if count > 1 else 'way'} to learn {len(study.tasks)} tasks on {study.title}: does it "
        "pay to learn which blocks of a network each task runs, and which it shares?"
    )
    picture = map_picture(study, own) if own and own in study.policies else None
    return Headline(study.name, TITLES[study.name], lead, claims_table(judge(study)), picture)


def _csv(shown: Findings) -> bytes:
    """Scores and Deltas of all rows, with the protocol in each."""
    deltas = shown.deltas.assign(metric="delta")
    both = pd.concat([shown.summary, deltas], ignore_index=True).assign(protocol=shown.study.protocol)
    return both.to_csv(index=False, float_format="%.5f", lineterminator="\n").encode()
