"""Classified cases come back from their file, and so do the scores."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from segx.errors import DataError
from segx.evaluation.classification import (
    CLASSIFICATION_POLICY,
    ClassifiedCase,
    summarise_classified,
)
from segx.evaluation.classified_file import read_classified, write_classified
from segx.evaluation.summary_file import write_classification_summary

NAMES = ("benign", "malignant", "normal")


def some_cases(count: int = 40) -> list[ClassifiedCase]:
    random = np.random.default_rng(0)
    weights = random.random((count, 3))
    shares = (weights / weights.sum(axis=1, keepdims=True)).tolist()
    return [
        ClassifiedCase(
            f"case{i}", f"p{i // 2}" if i % 4 else None, i % 3, tuple(shares[i])
        )
        for i in range(count)
    ]


def test_cases_come_back_as_they_were(tmp_path: Path) -> None:
    cases = some_cases()
    write_classified(tmp_path / "cases.csv", cases, class_names=NAMES)
    assert read_classified(tmp_path / "cases.csv") == (NAMES, cases)


def test_headlines_are_recomputed_from_the_file(tmp_path: Path) -> None:
    cases = some_cases()
    write_classified(tmp_path / "cases.csv", cases, class_names=NAMES)
    summary = summarise_classified(cases, class_names=NAMES)
    write_classification_summary(tmp_path / "summary.json", summary)
    found = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    with (tmp_path / "cases.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    truth = [line["truth"] for line in lines]
    decided = [line["predicted"] for line in lines]
    probabilities = np.array(
        [[float(line[f"p_{name}"]) for name in NAMES] for line in lines]
    )
    accuracy = balanced_accuracy_score(truth, decided)
    area = roc_auc_score(truth, probabilities, multi_class="ovr", labels=NAMES)
    assert found["scores"]["balanced_accuracy"]["value"] == pytest.approx(accuracy)
    assert found["scores"]["auroc"]["value"] == pytest.approx(area)
    assert found["policy"] == CLASSIFICATION_POLICY
    assert list(found["classes"]) == list(NAMES)


def test_patients_are_counted_once_and_unknown_ones_each() -> None:
    cases = [
        ClassifiedCase("a", "x", 0, (1.0, 0.0)),
        ClassifiedCase("b", "x", 1, (0.0, 1.0)),
        ClassifiedCase("x", None, 1, (0.0, 1.0)),
    ]
    summary = summarise_classified(cases, class_names=("no", "yes"))
    assert (summary.n_cases, summary.n_patients) == (3, 2)


def test_what_is_undefined_is_null_in_the_file(tmp_path: Path) -> None:
    cases = [ClassifiedCase("a", None, 0, (0.9, 0.1))]
    summary = summarise_classified(cases, class_names=("no", "yes"))
    assert math.isnan(summary.scores.auroc.value)
    write_classification_summary(tmp_path / "summary.json", summary)
    found = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert found["scores"]["auroc"]["value"] is None
    assert found["classes"]["yes"]["n"] == 0


def test_cases_that_can_not_be_scored_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 cases"):
        summarise_classified([], class_names=NAMES)
    with pytest.raises(DataError, match=r"\[2\] probabilities .* each with 3"):
        summarise_classified(
            [ClassifiedCase("a", None, 0, (0.5, 0.5))], class_names=NAMES
        )
    path = tmp_path / "cases.csv"
    write_classified(path, some_cases(2), class_names=NAMES)
    path.write_text(
        path.read_text(encoding="utf-8").replace("benign,", "bengn,", 1), "utf-8"
    )
    with pytest.raises(DataError, match="row"):
        read_classified(path)
