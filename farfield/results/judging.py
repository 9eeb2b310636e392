"""The claims of each family on the results of one of its studies, whose cells are averaged: on one of its
`parts`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import pandas as pd

from farfield.results.claims import Claim, Comparison, Judged, Published, Varied
from farfield.results.contrast_claims import CLAIMS, ContrastClaim, Evidence
from farfield.results.contrasts import Cell, Cells, by_cell, halves
from farfield.results.derived import DELTA, OVERALL, deltas, published_deltas
from farfield.results.families import FewShotStudy, SharingStudy, TuningStudy, Variant
from farfield.results.intervals import Difference, compare, of_contrasts
from farfield.results.own_claims import JOINT, OWN, OWN_CLAIMS
from farfield.results.row_claims import ROUTING, sharing_claims
from farfield.results.scores import of_episodes, place
from farfield.results.study import Study

# How the published table orders its datasets, from near to far.
PUBLISHED_ORDER = ("CropDiseases", "EuroSAT", "ISIC", "ChestX", "RVL-CDIP")
CONTRASTS = (*CLAIMS, *OWN_CLAIMS)
SPOTTUNE = "SpotTune"
ADASHARE = "AdaShare"
# The source of the decathlon's networks, to which nothing is tuned: the talk does not count it.
_SOURCE = "ImNet"
_Measures = Mapping[str, tuple[Evidence, Difference | None, Mapping[Cell, Difference]]]


def judge_fewshot(study: FewShotStudy, jointly: Study | None = None) -> tuple[Judged, ...]:
    """Rows without a published name do not count, but for our own; of those with the same name only the first.

    jointly: the study of the rows that see all queries of an episode at once.
    """
    names = _first_key({key: row["published"] for key, row in study.rows.items()})
    names |= {key: key for key in OWN if key in study.rows}
    sets = _first_key({key: dataset["published"] for key, dataset in study.datasets.items()})
    keys = {name: key for key, name in sets.items()}
    ours = study.scores[study.scores["row"].isin(names)]
    ours = ours.assign(row=ours["row"].map(names))
    theirs = study.published.assign(episode=0)
    here = theirs[theirs["dataset"].isin(keys)]
    here = of_episodes("published", here.assign(dataset=here["dataset"].map(keys)))
    kinds = {dataset["study"] for dataset in study.datasets.values()}
    of_study = theirs[theirs["dataset"].map(lambda name: _published_study(name) in kinds)]
    # A dataset without a published name has no place in the order of distance.
    order = sorted((keys[name] for name in PUBLISHED_ORDER if name in keys), key=list(study.datasets).index)
    own = _measure(by_cell(ours), order, study.seed)
    if jointly is not None:
        asked = {cell: table for cell, table in by_cell(jointly.scores).items() if cell[0] in study.datasets}
        own |= _measure(asked, order, study.seed, JOINT)
    varied = [_with_variant(variant, ours, names, order, study) for variant in study.variants]
    same_cells = _measure(by_cell(here[here["cell"].isin(set(ours["cell"]))]), order, study.seed)
    whole_table = _measure(by_cell(of_episodes("published", of_study)), PUBLISHED_ORDER, study.seed)
    judged = []
    for claim in (*CONTRASTS, *JOINT):
        found, theirs_here, talks = (one.get(claim.key, {}) for one in (own, same_cells, whole_table))
        comparisons = []
        for title in dict.fromkeys((*found, *talks)):
            evidence, whole, parts = found.get(title, (Evidence(title, {}, {}), None, {}))
            _, total, pieces = theirs_here.get(title, (None, None, {}))
            _, talk, _ = talks.get(title, (None, None, {}))
            values: dict[Cell, float] = {cell: piece.difference for cell, piece in pieces.items()}
            values |= {(): total.difference} if total else {}
            said = Published(talk.difference) if talk else None
            comparisons.append(
                Comparison(title, whole, parts, values, said, evidence.picked, evidence.halves)
            )
        variants = tuple(found[claim.key] for found in varied if claim.key in found)
        judged.append(Judged(claim, tuple(comparisons), claim.decided_by == "parts", variants))
    return tuple(judged)


def _with_variant(
    variant: Variant,
    scores: pd.DataFrame,
    names: Mapping[str, str],
    datasets: Sequence[str],
    study: FewShotStudy,
) -> dict[str, Varied]:
    """Each claim that the variant's row decides, judged with the variant in its place and with the row itself,
    on the episodes that both answered.

    scores: of the rows that count, named as claims know them by `names`.
    """
    name, found = names.get(variant.row, variant.row), {}
    row = scores[scores["row"] == name]
    own = _on_the_same(variant.scores, row).assign(row=name)
    if own.empty:
        return {}
    here = _on_the_same(scores, own)
    varied = pd.concat([here[here["row"] != name], own])
    changed, itself = (_deciding(by_cell(table), datasets, study.seed) for table in (varied, here))
    for key in [key for key in changed if key in itself]:
        (first, rows), (second, others) = changed[key], itself[key]
        if name in rows | others and first.first.whole and second.first.whole:
            found[key] = Varied(study.title_of(variant.row), variant.title, first, second)
    return found


def _on_the_same(scores: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """The lines of `scores` on episodes that `others` has."""
    episode = ["cell", "unit"]
    asked = pd.MultiIndex.from_frame(others[episode])
    return scores[pd.MultiIndex.from_frame(scores[episode]).isin(asked)]


def _deciding(cells: Cells, datasets: Sequence[str], seed: int) -> dict[str, tuple[Judged, set[str]]]:
    """Each claim that variants are asked of, by the evidence that decides it, and the rows that this weighs."""
    split, found = halves(cells), {}
    for claim in CONTRASTS:
        if claim.variants:
            for evidence in claim.evidence(cells, split, datasets)[:1]:
                whole, parts = _values(claim, evidence, split if evidence.halves else cells, seed)
                first = Comparison(
                    evidence.title, whole, parts, picked=evidence.picked, halves=evidence.halves
                )
                rows = {row for weights in evidence.whole.values() for row in weights}
                found[claim.key] = Judged(claim, (first,), claim.decided_by == "parts"), rows
    return found


def _measure(
    cells: Cells, datasets: Sequence[str], seed: int, claims: Sequence[ContrastClaim] = CONTRASTS
) -> dict[str, _Measures]:
    """{claim: {title of evidence: (evidence, over all, by part)}}; nothing for a contrast without cells."""
    split = halves(cells)
    return {
        claim.key: {
            evidence.title: (evidence, *_values(claim, evidence, split if evidence.halves else cells, seed))
            for evidence in claim.evidence(cells, split, datasets)
        }
        for claim in claims
    }


def _values(
    claim: ContrastClaim, evidence: Evidence, cells: Cells, seed: int
) -> tuple[Difference | None, dict[Cell, Difference]]:
    if not evidence.parts:
        return None, {}
    whole, *parts = of_contrasts(cells, [evidence.whole, *evidence.parts.values()], seed)
    if claim.decided_by == "parts":
        whole = replace(whole, needed=max(part.needed for part in parts))
    return whole, dict(zip(evidence.parts, parts, strict=True))


def _first_key(published: Mapping[str, str]) -> dict[str, str]:
    """The published name of each key; of keys with the same name only the first."""
    names: dict[str, str] = {}
    for key, name in published.items():
        if name and name not in names.values():
            names[key] = name
    return names


def _published_study(dataset: str) -> str:
    return "documents" if dataset == "RVL-CDIP" else "crossdomain"


def judge_tuning(study: TuningStudy) -> tuple[Judged, ...]:
    routed = next((key for key in study.shown_rows if study.rows[key]["published"] == SPOTTUNE), None)
    judged = []
    for claim in ROUTING:
        values = list(_routing(study, claim.names).values())
        talk = None
        if values:
            talk = Published(sum(values) / len(values), sum(value > 0 for value in values), len(values))
        found = []
        for other in claim.others(study, routed) if routed else []:
            both = [key for key in study.cells if {routed, other} <= set(study.units[key])]
            theirs = _routing(study, [study.rows[other]["published"]])
            names = {key: study.datasets[key]["published"] for key in both}
            published: dict[Cell, float] = {(k,): theirs[name] for k, name in names.items() if name in theirs}
            if published and len(published) == len(both):
                published |= {(): sum(published.values()) / len(published)}
            if both:
                found.append(
                    _compared(study, Comparison("", None, {}, published, talk), str(routed), other, both)
                )
        judged.append(Judged(claim, tuple(found or ([Comparison("", talk=talk)] if talk else []))))
    return tuple(judged)


def _routing(study: Study, others: Sequence[str]) -> dict[str, float]:
    """SpotTune minus the first of `others` that the published table has, by published dataset."""
    tables = {
        str(name): dict(zip(rows["dataset"], rows["accuracy"], strict=True))
        for name, rows in study.published.groupby("method")
    }
    named = [name for name in others if name in tables]
    if not named or SPOTTUNE not in tables:
        return {}
    theirs = tables[named[0]]
    # Rounded, since equal numbers of the table must not differ by a rounding error.
    both = [key for key in tables[SPOTTUNE] if key in theirs and key != _SOURCE]
    return {key: round(tables[SPOTTUNE][key] - theirs[key], 6) for key in both}


def judge_sharing(study: SharingStudy) -> tuple[Judged, ...]:
    theirs, pairs, talks = published_deltas(study), [], {}
    for claim, other in sharing_claims(study):
        pairs.append((claim, study.adashare, other))
        name = study.rows[other]["published"] if other else ""
        if {ADASHARE, name} <= set(theirs):
            first, second = theirs[ADASHARE], theirs[name]
            # Rounded, since equal numbers of the table must not differ by a rounding error.
            apart = {task: round(first[task] - second[task], 6) for task in first}
            published: dict[Cell, float] = {
                () if task == OVERALL else (task,): value for task, value in apart.items()
            }
            above = sum(value > 0 for cell, value in published.items() if cell)
            talk = Published(apart[OVERALL], above, len(apart) - 1)
            talks[claim.key] = Comparison("", published=published, talk=talk)
    return judge_pairs(deltas(study), pairs, DELTA, [OVERALL], talks)


def judge_pairs(
    study: Study,
    pairs: Sequence[tuple[Claim, str | None, str | None]],
    metric: str = "accuracy",
    whole: Sequence[str] = (),
    talks: Mapping[str, Comparison] = MappingProxyType({}),
) -> tuple[Judged, ...]:
    """Claims that the first row is above the second, in parts on each cell that both have.

    whole: the cells that decide, by default the mean over those. talks: by claim what is published of it.
    """
    judged = []
    for claim, first, second in pairs:
        one = talks.get(claim.key, Comparison(""))
        both = [c for c in study.cells if all((row, c, metric) in study.trained for row in (first, second))]
        if first and second and both:
            one = _compared(study, one, first, second, both, whole, metric)
        judged.append(Judged(claim, (one,)))
    return tuple(judged)


def _compared(
    study: Study,
    published: Comparison,
    first: str,
    second: str,
    cells: Sequence[str],
    whole: Sequence[str] = (),
    metric: str = "accuracy",
) -> Comparison:
    """`published` with `first` minus `second` on `whole`, by default all of `cells`, and on each of the rest."""
    total = compare(study, first, second, whole or cells, metric)
    parts = {place(c): compare(study, first, second, [c], metric) for c in cells if c not in whole}
    title = f"{study.title_of(first)} − {study.title_of(second)}"
    return replace(published, title=title, whole=total, parts=parts)
