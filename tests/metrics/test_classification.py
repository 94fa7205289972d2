"""Classification scores against scikit-learn, and their laws."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from segx.errors import DataError
from segx.labels import UNKNOWN
from segx.metrics import (
    auroc,
    average_precision,
    calibration_error,
    class_scores,
    classification_scores,
)
from segx.metrics.classification import (
    SCORES,
    decisions,
    known_matrix,
    score_draws,
    truth_matrix,
)

Case = tuple[NDArray[np.int64], NDArray[np.float64]]


@st.composite
def cases(draw: st.DrawFn, *, classes: int | None = None, levels: int = 7) -> Case:
    """Truth (n,) and probabilities (n, K) with many ties."""
    k = draw(st.integers(2, 4)) if classes is None else classes
    n = draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    weights = random.integers(1, levels, (n, k)).astype(np.float64)
    return random.integers(0, k, n), weights / weights.sum(axis=1, keepdims=True)


@given(cases())
def test_each_class_is_scored_as_scikit_learn_scores_it(case: Case) -> None:
    truth, probabilities = case
    for index, score in enumerate(class_scores(truth, probabilities)):
        real, scored = truth == index, probabilities[:, index]
        assert score.n == real.sum()
        assert score.brier == pytest.approx(
            sklearn_metrics.brier_score_loss(real, scored)
        )
        if real.any():
            precision = sklearn_metrics.average_precision_score(real, scored)
            assert score.average_precision == pytest.approx(precision)
        if real.any() and not real.all():
            assert score.auroc == pytest.approx(
                sklearn_metrics.roc_auc_score(real, scored)
            )


@given(cases(), st.integers(0, 2**32))
def test_weights_count_a_case_as_often_as_repeating_it(case: Case, seed: int) -> None:
    truth, probabilities = case
    times = np.random.default_rng(seed).integers(0, 4, len(truth))
    times[0] += 1  # something must be left
    drawn = score_draws(
        truth_matrix(truth, probabilities),
        probabilities,
        decided=decisions(truth, probabilities),
        known=known_matrix(truth, probabilities),
        weights=times[np.newaxis].astype(np.float64),
    )
    repeated = class_scores(np.repeat(truth, times), np.repeat(probabilities, times, 0))
    wanted = [[getattr(score, name) for name in SCORES] for score in repeated]
    np.testing.assert_allclose(drawn[0], wanted, atol=1e-9)


@settings(max_examples=20)
@given(cases())
def test_several_classes_a_case_are_scored_one_by_one(case: Case) -> None:
    truth, probabilities = case
    real = truth_matrix(truth, probabilities)
    several = real.astype(np.int64)
    several[:, 0] = 1 - several[:, 0]  # no longer one class a case
    for index, score in enumerate(class_scores(several, probabilities)):
        is_real, scored = several[:, index] == 1, probabilities[:, index]
        named = scored >= 0.5
        assert score.n == is_real.sum()
        assert score.auroc == pytest.approx(auroc(is_real, scored), nan_ok=True)
        sensitivity = sklearn_metrics.recall_score(is_real, named, zero_division=np.nan)
        specificity = sklearn_metrics.recall_score(
            ~is_real, ~named, zero_division=np.nan
        )
        np.testing.assert_allclose(score.sensitivity, sensitivity)
        np.testing.assert_allclose(score.specificity, specificity)
    found = classification_scores(several, probabilities).balanced_accuracy
    recalls = [
        value
        for score in class_scores(several, probabilities)
        for value in (score.sensitivity, score.specificity)
    ]
    np.testing.assert_allclose(found, np.nanmean(recalls))


@settings(max_examples=20)
@given(cases(), st.integers(0, 2**32))
def test_a_class_counts_only_the_cases_where_it_is_known(case: Case, seed: int) -> None:
    truth, probabilities = case
    tags = truth_matrix(truth, probabilities).astype(np.int64)
    hidden = np.random.default_rng(seed).random(tags.shape) < 0.4
    found = class_scores(np.where(hidden, UNKNOWN, tags), probabilities)
    for index, score in enumerate(found):
        known = ~hidden[:, index]
        if not known.any():
            assert score.n == 0
            assert np.isnan(score[1:]).all()
            continue
        (alone,) = class_scores(
            tags[known, index, None], probabilities[known, index, None]
        )
        np.testing.assert_allclose(score, alone, atol=1e-9)


@given(cases())
def test_balanced_accuracy_is_scikit_learns(case: Case) -> None:
    truth, probabilities = case
    decided = probabilities.argmax(axis=1)
    recalls = sklearn_metrics.recall_score(
        truth, decided, labels=np.unique(truth), average="macro"
    )
    assert classification_scores(
        truth, probabilities
    ).balanced_accuracy == pytest.approx(recalls)


@given(cases())
def test_the_headline_is_the_mean_over_classes(case: Case) -> None:
    each, whole = class_scores(*case), classification_scores(*case)
    for name in ("auroc", "average_precision", "brier", "ece"):
        values = np.array([getattr(score, name) for score in each])
        defined = values[~np.isnan(values)]
        wanted = defined.mean() if len(defined) else math.nan
        np.testing.assert_allclose(getattr(whole, name), wanted)


@given(cases(classes=2))
def test_two_classes_mirror_each_other(case: Case) -> None:
    first, second = class_scores(*case)
    assert first.auroc == pytest.approx(second.auroc, nan_ok=True)
    assert first.brier == pytest.approx(second.brier)


@given(cases())
def test_renaming_classes_changes_no_headline(case: Case) -> None:
    truth, probabilities = case
    last = probabilities.shape[1] - 1
    # Ties for the most probable class go to the first name, so break them.
    probabilities = probabilities + 1e-9 * np.arange(probabilities.size).reshape(
        probabilities.shape
    )
    there = classification_scores(truth, probabilities)
    back = classification_scores(last - truth, probabilities[:, ::-1])
    np.testing.assert_allclose(there, back, atol=1e-6)


@given(cases(classes=2))
def test_auroc_is_the_share_of_pairs_in_order(case: Case) -> None:
    real, scored = case[0] == 1, case[1][:, 1]
    pairs = [(a > b) + (a == b) / 2 for a in scored[real] for b in scored[~real]]
    wanted = float(np.mean(pairs)) if pairs else math.nan
    assert auroc(real, scored) == pytest.approx(wanted, nan_ok=True)
    assert auroc(real, np.exp(3 * scored)) == pytest.approx(wanted, nan_ok=True)


@given(cases(classes=2))
def test_the_calibration_error_is_its_definition(case: Case) -> None:
    real, scored = case[0] == 1, case[1][:, 1]
    wanted = 0.0
    for index in range(15):
        inside = (scored * 15 >= index) & (scored * 15 < index + 1)
        if inside.any():
            wanted += inside.mean() * abs(scored[inside].mean() - real[inside].mean())
    assert calibration_error(real, scored) == pytest.approx(wanted)


def test_a_sure_and_right_classifier_is_perfect() -> None:
    truth = np.array([0, 1, 2, 2])
    scores = classification_scores(truth, np.eye(3)[truth])
    assert scores == (1, 1, 1, 0, 0)


def test_what_cases_of_one_class_can_not_tell_is_undefined() -> None:
    real, scored = np.ones(3, bool), np.array([0.1, 0.5, 0.9])
    assert math.isnan(auroc(real, scored))
    assert math.isnan(auroc(~real, scored))
    assert math.isnan(average_precision(~real, scored))
    scores = class_scores(np.zeros(2, int), np.array([[0.9, 0.1], [0.8, 0.2]]))
    assert math.isnan(scores[1].sensitivity)
    assert not math.isnan(scores[1].brier)


@pytest.mark.parametrize(
    ("truth", "probabilities", "message"),
    [
        ([], np.zeros((0, 2)), r"\(0,\) .* n >= 1"),
        ([0, 1], np.zeros((3, 2)), r"\(2,\) .*\(3, 2\)"),
        ([0, 2], np.full((2, 2), 0.5), "ids 0 … 2.* 0 … 1"),
        ([[0, 2], [1, 0]], np.full((2, 2), 0.5), "ids 0 … 2.* 0, 1 and -1"),
        ([0, 1], np.array([[0.5, 0.5], [3.0, -2.0]]), "Case 1 .*not logits"),
        ([0, 1], np.array([[0.5, np.nan], [1.0, 0.0]]), "Case 0 .*nan"),
    ],
)
def test_values_that_can_not_be_are_refused(
    truth: list[Any], probabilities: NDArray[np.float64], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        classification_scores(np.array(truth, dtype=np.int64), probabilities)
