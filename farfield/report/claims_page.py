"""The page that holds the claims of the talk against the results, and its short form."""

from farfield.report.cells import EMPTY, Cell, Column, Kind, Table, number, words
from farfield.report.index_page import Headline
from farfield.report.site import Page
from farfield.results.contrasts import Cell as Part
from farfield.results.inputs import is_real, labelled
from farfield.results.study import SHORT_TITLES, FewShotStudy
from farfield.results.verdicts import Finding, Judged, JudgedClaim

TITLE = "The claims of the talk"
VERDICT_MARKS: dict[str, Kind] = {"supported": "above", "contradicted": "below"}


def claims_page(study: FewShotStudy) -> Page:
    """Every claim with its verdicts and the numbers that decide, beside the published ones."""
    judged = {name: part.claims for name, part in study.parts.items()}
    sections = []
    for claims in zip(*judged.values(), strict=True):
        tested = []
        for (name, part), one in zip(study.parts.items(), claims, strict=True):
            shown = evidence_table(one, part) if any(finding.parts for finding in one.findings) else None
            tested.append((SHORT_TITLES[name], one, _sentence(one), _picked(one), shown))
        sections.append((claims[0].claim, tested))
    context = {
        "reservations": study.reservations,
        "sections": sections,
        "summary": claims_table(study),
    }
    return Page("claims", "Claims", "claims.html.j2", context)


def claims_headline(study: FewShotStudy) -> Headline:
    """The verdicts for the first page."""
    lead = (
        "What the talk says of these methods, each statement held against this run and against the "
        "published tables."
    )
    return Headline("claims", TITLE, lead, claims_table(study))


def claims_table(study: FewShotStudy) -> Table:
    """A claim a row: verdict and deciding number of each part of the study, beside the published."""
    columns = [Column("Claim")]
    rows = []
    for name in study.parts:
        columns += [Column(title, SHORT_TITLES[name]) for title in ("Verdict", "Difference", "Published")]
    for claims in zip(*(part.claims for part in study.parts.values()), strict=True):
        cells = [words(claims[0].claim.statement)]
        for one in claims:
            first = one.findings[0] if one.findings else None
            cells.append(Cell(one.verdict, value=one.verdict, kind=VERDICT_MARKS.get(one.verdict, "text")))
            cells.append(difference_cell(first.whole if first else None, marked=False))
            cells.append(published_difference(first.talk if first else None))
        rows.append(tuple(cells))
    return Table(
        caption="Verdicts, with the deciding difference in percentage points",
        columns=tuple(columns),
        rows=tuple(rows),
        note="Supported: the 95 % interval, widened after Student where episodes are few, lies above "
        "zero. Contradicted: below. Undecided: it includes zero. Not tested: "
        "rows are missing. Published: the same difference in the whole published table.",
        style="wrapped",
    )


def evidence_table(judged: JudgedClaim, study: FewShotStudy) -> Table:
    """The deciding and the further contrasts of one claim, over all and in parts."""
    findings = [finding for finding in judged.findings if finding.whole]
    parts: list[Part] = list(dict.fromkeys(part for finding in findings for part in finding.parts))
    order = {key: i for i, key in enumerate(study.datasets)}
    parts.sort(key=lambda part: (order[part[0]], part[1:] if isinstance(part[-1], int) else ()))
    real = all(is_real(study.datasets[part[0]]) for part in parts)
    other = "published" if real else "published, on the real datasets"
    rows = [
        (
            words("over all"),
            *(
                cell
                for f in findings
                for cell in (difference_cell(f.whole), published_difference(f.published.get(())))
            ),
        )
    ]
    for part in parts:
        cells = [words(_named(part, study))]
        for finding in findings:
            cells += [
                difference_cell(finding.parts.get(part)),
                published_difference(finding.published.get(part)),
            ]
        rows.append(tuple(cells))
    return Table(
        caption="Differences in percentage points, with 95 % intervals",
        columns=(
            Column("Cells"),
            *(Column(title, finding.title) for finding in findings for title in ("ours", other)),
        ),
        rows=tuple(rows),
    )


def _named(part: Part, study: FewShotStudy) -> str:
    """The title of a cell, of a dataset, or of a step between two datasets."""
    datasets = [labelled(study.datasets[name]) for name in part if name in study.datasets]
    shots = [f"{shot}-shot" for shot in part if shot not in study.datasets]
    return " → ".join(datasets) + "".join(f", {shot}" for shot in shots)


def _sentence(judged: JudgedClaim) -> str:
    """The deciding numbers in words."""
    first = judged.findings[0] if judged.findings else None
    sentences = []
    if first and first.whole:
        count = len(first.parts)
        each = "in each half of a cell" if first.halves else "a cell"
        sentences.append(
            f"{first.title}: {signed(first.whole.difference)} ± {first.whole.ci95:.2f} points over "
            f"{count} {_counted(first, count)}, from at least {first.whole.episodes} episodes {each}."
        )
    else:
        sentences.append("Rows that it needs did not run.")
    if first and first.talk is not None:
        sentences.append(f"The whole published table says {signed(first.talk)}.")
    else:
        sentences.append("The published table has not the rows to say.")
    return " ".join(sentences)


def _counted(finding: Finding, count: int) -> str:
    part = next(iter(finding.parts))
    word = "dataset" if len(part) == 1 else "cell" if isinstance(part[-1], int) else "step"
    return word if count == 1 else f"{word}s"


def _picked(judged: JudgedClaim) -> str:
    rows = dict.fromkeys(row for finding in judged.findings for row in finding.picked)
    return ", ".join(rows)


def signed(value: float) -> str:
    """With its sign, to two digits."""
    return f"{value:+.2f}".replace("-", "−")


def difference_cell(value: Judged | None, marked: bool = True) -> Cell:
    """A difference with its interval, marked with its verdict."""
    if value is None:
        return EMPTY
    kind = VERDICT_MARKS.get(value.verdict, "") if marked else ""
    return number(value.difference, value.ci95, kind, signed=True)


def published_difference(value: float | None) -> Cell:
    """A difference between published numbers, which have no interval."""
    return EMPTY if value is None else number(value, kind="published", signed=True)
