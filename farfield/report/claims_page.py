"""The page that holds the claims of the talk on few-shot methods."""

from collections import Counter
from collections.abc import Iterable, Sequence

from farfield.report.answers import counted
from farfield.report.claims_tables import claims_table, sections
from farfield.report.index_page import Headline
from farfield.report.site import Page, assets_of
from farfield.report.variants import variants_picture, variants_table
from farfield.report.wording import FEWSHOT
from farfield.results.claims import Judged
from farfield.results.families import FewShotStudy
from farfield.results.findings import Findings

TITLE = "The claims of the talk"
PARTS = {"crossdomain": "Across domains", "documents": "On documents"}
DRAWN = (
    "Drawings decide nothing: every image of this run was drawn by a program, so no verdict of this page speaks "
    "of real images. It shows that claims are tested."
)


def claims_page(found: Findings[FewShotStudy]) -> Page:
    """Every claim with its verdicts and the numbers that decide, beside the published ones."""
    parts = {PARTS[name]: part for name, part in found.parts.items()}
    judged = {title: part.claims for title, part in parts.items()}
    drawn = all(found.study.datasets[key]["procedural"] for key in found.study.shown_datasets)
    variants = {
        (title, one.claim.key): (
            variants_table(one),
            variants_picture(one, f"claims-{name}-{one.claim.key}".replace("_", "-"), title),
        )
        for name, title in PARTS.items()
        for one in judged.get(title, ())
        if one.variants
    }
    context = {
        "reservations": [*([DRAWN] if drawn else []), *found.study.reservations],
        "sections": sections(parts, judged, FEWSHOT, "Cells"),
        "summary": claims_table(judged, FEWSHOT),
        "variants": variants,
        "power": _power(found.parts.values()),
    }
    said = " ".join(_tally(*part) for part in judged.items())
    answer = counted("claims", TITLE, said)
    pictures = assets_of([picture for _, picture in variants.values()])
    return Page("claims", "Claims", "claims.html.j2", context, pictures, answer=answer)


def _tally(title: str, judged: Sequence[Judged]) -> str:
    verdicts = Counter(one.verdict for one in judged)
    said = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    return f"{title}, of {len(judged)} claims: {said}."


def _power(parts: Iterable[Findings[FewShotStudy]]) -> str:
    """How many claims were tested, and of how many the episodes are enough."""
    wholes = [one.first.whole for part in parts for one in part.claims]
    tested = [whole for whole in wholes if whole]
    return (
        f"Of {len(wholes)} verdicts {len(tested)} are on rows that ran; {sum(one.enough for one in tested)} of "
        f"them have episodes enough to tell one point from zero."
    )


def claims_headline(found: Findings[FewShotStudy]) -> Headline:
    """The verdicts for the first page."""
    lead = (
        "What the talk says of these methods, each statement held against this run and against the "
        "published tables."
    )
    judged = {PARTS[name]: part.claims for name, part in found.parts.items()}
    return Headline("claims", TITLE, lead, claims_table(judged, FEWSHOT))
