"""Classified cases come back from their file, and so do the scores."""

import csv
import json
import math
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from segx.errors import DataError
from segx.evaluation.classification import (
    CLASSIFICATION_POLICY,
    ClassifiedCase,
    Thresholds,
    choose_thresholds,
    summarise_classified,
)
from segx.evaluation.classified_file import read_classified, write_classified
from segx.evaluation.summary_file import write_classification_summary
from segx.labels import UNKNOWN

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


def several_classes(count: int = 40) -> list[ClassifiedCase]:
    random = np.random.default_rng(1)
    scores = random.random((count, 3))
    truth = (random.random((count, 3)) < scores).astype(int)
    return [
        ClassifiedCase(f"case{i}", None, tuple(truth[i].tolist()), tuple(row))
        for i, row in enumerate(scores.tolist())
    ]


def test_cases_of_several_classes_come_back_and_are_scored(tmp_path: Path) -> None:
    cases = several_classes()
    write_classified(tmp_path / "cases.csv", cases, class_names=NAMES)
    assert read_classified(tmp_path / "cases.csv") == (NAMES, cases)
    summary = summarise_classified(cases, class_names=NAMES)
    assert summary.confusion is None
    truth = np.array([case.truth for case in cases])
    scores = np.array([case.probabilities for case in cases])
    assert summary.scores.auroc.value == pytest.approx(roc_auc_score(truth, scores))
    recalls = [
        value.value
        for item in summary.classes
        for value in (item.sensitivity, item.specificity)
    ]
    assert summary.scores.balanced_accuracy.value == pytest.approx(np.mean(recalls))


def test_what_is_unknown_of_a_case_counts_for_nothing(tmp_path: Path) -> None:
    cases = several_classes()
    hidden = [
        replace(case, truth=(*case.truth[:2], UNKNOWN)) if index % 4 else case
        for index, case in enumerate(cases)
        if isinstance(case.truth, tuple)
    ]
    write_classified(tmp_path / "cases.csv", hidden, class_names=NAMES)
    assert read_classified(tmp_path / "cases.csv") == (NAMES, hidden)
    whole, summary = (
        summarise_classified(
            items, class_names=NAMES, thresholds=Thresholds((0.5, 0.4, 0.3), "val")
        )
        for items in (cases, hidden)
    )
    for one, other in zip(summary.classes[:2], whole.classes[:2], strict=True):
        np.testing.assert_equal(astuple(one), astuple(other))
    known = summarise_classified(
        cases[::4], class_names=NAMES, thresholds=Thresholds((0.5, 0.4, 0.3), "val")
    )
    last, alone = summary.classes[2], known.classes[2]
    assert (last.n, last.roc) == (alone.n, alone.roc)
    np.testing.assert_equal(astuple(last.reliability), astuple(alone.reliability))
    for name in ("auroc", "average_precision", "specificity", "brier", "ece"):
        estimate = getattr(last, name)
        assert estimate.value == pytest.approx(getattr(alone, name).value), name
        assert estimate.n == getattr(alone, name).n, name
    chosen = choose_thresholds(hidden, class_names=NAMES, chosen_on="val")
    assert (
        chosen.values[2]
        == (choose_thresholds(cases[::4], class_names=NAMES, chosen_on="val").values[2])
    )


def test_every_score_has_an_interval_that_holds_it() -> None:
    summary = summarise_classified(some_cases(), class_names=NAMES)
    for item in (summary.scores, *summary.classes):
        for name in ("auroc", "average_precision", "brier", "ece"):
            found = getattr(item, name)
            assert 0 <= found.low < found.high <= 1
            assert found.low <= found.value <= found.high
            assert found.n == 40
    assert summary.classes[0].sensitivity.n == summary.classes[0].n
    assert summary.confusion is not None
    assert np.sum(summary.confusion.counts) == 40


def test_the_order_of_cases_changes_nothing() -> None:
    cases = some_cases()
    there = summarise_classified(cases, class_names=NAMES)
    back = summarise_classified(cases[::-1], class_names=NAMES)
    assert repr(back) == repr(there)  # nan is not equal to itself


def test_thresholds_come_from_other_cases_and_are_named() -> None:
    cases = some_cases()
    chosen = choose_thresholds(cases[:20], class_names=NAMES, chosen_on="val")
    summary = summarise_classified(cases[20:], class_names=NAMES, thresholds=chosen)
    assert summary.thresholds_from == "val"
    for index, item in enumerate(summary.classes):
        assert item.at_threshold is not None
        assert item.at_threshold.threshold == chosen.values[index]
        named = [
            case.probabilities[index] >= chosen.values[index]
            for case in cases[20:]
            if case.truth == index
        ]
        assert item.at_threshold.sensitivity.value == pytest.approx(np.mean(named))
    assert summarise_classified(cases, class_names=NAMES).thresholds_from is None


@pytest.mark.parametrize("cases", [some_cases(), several_classes()])
def test_thresholds_change_nothing_but_what_stands_at_them(
    cases: list[ClassifiedCase],
) -> None:
    plain, chosen = (
        summarise_classified(cases, class_names=NAMES, thresholds=thresholds)
        for thresholds in (None, Thresholds((0.2, 0.3, 0.9), "val"))
    )
    assert chosen.scores == plain.scores
    for one, other in zip(chosen.classes, plain.classes, strict=True):
        assert one.at_threshold is not None
        # nan is not equal to itself
        assert repr(replace(one, at_threshold=None)) == repr(other)


def test_a_threshold_parts_cases_as_well_as_any_can() -> None:
    cases = some_cases()
    chosen = choose_thresholds(cases, class_names=NAMES, chosen_on="val")
    for index in range(3):
        real = np.array([case.truth == index for case in cases])
        scored = np.array([case.probabilities[index] for case in cases])

        def youden(
            threshold: float,
            real: np.ndarray = real,
            scored: np.ndarray = scored,
        ) -> float:
            named = scored >= threshold
            return float(named[real].mean() - named[~real].mean())

        best = max(youden(threshold) for threshold in scored)
        assert youden(chosen.values[index]) == pytest.approx(best)
    alone = [ClassifiedCase("a", None, 0, (0.9, 0.1))]
    found = choose_thresholds(alone, class_names=("no", "yes"), chosen_on="val")
    assert found == Thresholds((0.5, 0.5), "val")


def test_a_case_that_comes_twice_is_refused() -> None:
    cases = some_cases(3)
    with pytest.raises(DataError, match="'case0'"):
        summarise_classified([*cases, cases[0]], class_names=NAMES)
