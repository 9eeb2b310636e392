"""The page on which blocks tasks run and share: maps, correlation of tasks, searches."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from farfield.report.cells import Table
from farfield.report.sharing_pictures import curves_picture, policy_pictures
from farfield.report.sharing_policies import policy_map, policy_rows, policy_table, search_history
from farfield.report.site import Page, Picture, assets_of
from farfield.results.sharing_study import SharingName, SharingStudy


@dataclass(frozen=True)
class PolicySection:
    """The policy of one row of one study."""

    title: str
    table: Table
    pictures: tuple[Picture, ...]


def sharing_page(studies: Mapping[SharingName, SharingStudy]) -> Page | None:
    """A section for each study with policies, and in it one for each row; None if no row has any."""
    shown = [study for study in studies.values() if policy_rows(study)]
    if not shown:
        return None
    sections = [(study, [_section(study, row) for row in policy_rows(study)]) for study in shown]
    texts = [text for study in shown for text in study.reservations]
    assets = assets_of([one for _, parts in sections for part in parts for one in part.pictures])
    for study in shown:
        for name, frame in (("map", policy_map(study)), ("search", search_history(study))):
            if len(frame):
                assets[f"policies-{study.name}-{name}.csv"] = _csv(frame)
    context = {
        "sections": sections,
        "reservations": list(dict.fromkeys(texts)),
        "files": [place for place in assets if place.endswith(".csv")],
    }
    return Page("sharing", "Sharing", "sharing.html.j2", context, assets)


def _section(study: SharingStudy, row: str) -> PolicySection:
    pictures = policy_pictures(study, row)
    curves = (curves_picture(study, row),) if row in study.history else ()
    return PolicySection(study.methods[row]["title"], policy_table(study, row), (*pictures, *curves))


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, float_format="%.4f", lineterminator="\n").encode()
