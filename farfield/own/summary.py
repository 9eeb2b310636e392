"""The answer as one JSON object, for `farfield evaluate --json`."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from farfield.networks.cards import NetworkCard
from farfield.own.advice import next_steps
from farfield.own.probes import Probes, percent, recalls
from farfield.own.words import most_frequent
from farfield.probing.diagnosis import Diagnosis

Values = dict[str, Any]


def summary(probes: Probes, card: NetworkCard, notes: Sequence[str], out: str) -> Values:
    """Accuracies in percent, images as paths. out: the folder that was written."""
    own, scores, found = probes.own, probes.scores, probes.diagnosis
    return {
        "images": found.images,
        "classes": list(own.class_names),
        "bands": list(own.bands),
        "groups": found.groups,
        "network": card.name,
        "accuracy": percent(scores.accuracy),
        "balanced_accuracy": percent(scores.balanced),
        "macro_f1": percent(scores.macro_f1),
        "test_split": None if probes.split is None else percent(probes.split),
        "largest_class": round(most_frequent(own), 2),
        "recall": recalls(own, scores),
        "confusion": scores.confusion.tolist(),
        "temperature": round(scores.temperature, 4),
        "expected_calibration_error": round(scores.ece_calibrated, 2),
        "candidates": [
            {
                "key": one.candidate.key,
                "title": one.candidate.title,
                "accuracy": round(one.measures.accuracy, 2),
                "ci95": round(one.measures.ci95, 2),
                "seconds_an_image": one.candidate.cost,
                "written": one is probes.chosen,
            }
            for one in probes.tested
        ],
        "not_tried": [{"title": one.candidate.title, "why": one.why} for one in probes.skipped],
        "why": probes.why,
        **_found(probes, found),
        "left_out": own.left_out,
        "notes": list(notes),
        "next": next_steps(own, found),
        "written_to": out,
    }


def _found(probes: Probes, found: Diagnosis) -> Values:
    own, sets, suspects = probes.own, found.sets, found.suspects
    return {
        "prediction_sets": {
            "stated": sets.stated,
            "coverage": percent(sets.coverage),
            "mean_size": round(sets.mean_size, 3),
        },
        "leakage": [
            {
                "kind": leak.kind,
                "groups": leak.groups,
                "apart": round(leak.apart, 2),
                "together": round(leak.together, 2),
                "excess": percent(leak.excess),
                "misleading": leak.misleading,
            }
            for leak in found.leakage
        ],
        "labels": [
            {"path": own.paths[row], "given": own.class_names[given], "suggested": own.class_names[other]}
            for row, given, other in zip(
                suspects.rows.tolist(), suspects.given.tolist(), suspects.suggested.tolist(), strict=True
            )
        ],
        "labels_expected_wrong": suspects.expected,
        "labels_planted": dataclasses.asdict(found.planted),
        "copies": [[own.paths[row] for row in pair] for pair in found.duplicates.pairs.tolist()],
        "outliers": [own.paths[row] for row in found.outliers.rows.tolist()],
        "same_classes": [[own.class_names[i] for i in pair] for pair in found.same_classes.pairs.tolist()],
        "learning_curve": None if found.curve is None else _curve(found),
    }


def _curve(found: Diagnosis) -> Values:
    curve = found.curve
    assert curve is not None
    more = curve.more
    return {
        "images": curve.sizes.tolist(),
        "accuracy": [round(float(value), 2) for value in curve.accuracy],
        "gain": curve.gain,
        "images_more": None
        if more is None
        else {
            key: value if math.isfinite(value) else None
            for key, value in (("value", more.value), ("low", more.low), ("high", more.high))
        },
        "sentence": curve.sentence,
    }
