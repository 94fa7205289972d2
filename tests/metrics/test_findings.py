"""Images of several classes: each class by itself, unknown cases left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from segx.errors import DataError
from segx.labels import UNKNOWN
from segx.metrics.classification import classification_scores
from segx.metrics.findings import finding_scores, multilabel_scores


def some(seed: int, n: int = 40, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, (n, classes))
    truth[0], truth[1] = 0, 1  # every class has both
    noise = rng.normal(0, 0.3, (n, classes))
    return truth, np.clip(0.3 + 0.4 * truth + noise, 0, 1)


@given(seed=st.integers(0, 999))
def test_scikit_learn_agrees(seed: int) -> None:
    truth, probabilities = some(seed)
    scores = multilabel_scores(truth, probabilities)
    assert scores.auroc == pytest.approx(
        oracle.roc_auc_score(truth, probabilities, average="macro")
    )
    assert scores.average_precision == pytest.approx(
        oracle.average_precision_score(truth, probabilities, average="macro")
    )
    decided = probabilities >= 0.5
    balanced = [
        oracle.balanced_accuracy_score(truth[:, k], decided[:, k]) for k in range(3)
    ]
    assert scores.balanced_accuracy == pytest.approx(np.mean(balanced))


@given(seed=st.integers(0, 999))
def test_unknown_cases_change_nothing(seed: int) -> None:
    truth, probabilities = some(seed)
    rng = np.random.default_rng(seed)
    more = np.full((5, 3), UNKNOWN)
    both = (
        np.concatenate([truth, more]),
        np.concatenate([probabilities, rng.random((5, 3))]),
    )
    assert finding_scores(*both) == finding_scores(truth, probabilities)
    assert multilabel_scores(*both) == multilabel_scores(truth, probabilities)


def test_one_class_scores_as_one_of_two() -> None:
    truth, probabilities = some(0, classes=1)
    probabilities = probabilities.clip(0.01, 0.99)
    pair = np.hstack([1 - probabilities, probabilities])
    alone = multilabel_scores(truth, probabilities)
    of_two = classification_scores(truth[:, 0], pair)
    for name in ("auroc", "balanced_accuracy", "brier"):
        assert getattr(alone, name) == pytest.approx(getattr(of_two, name)), name


def test_a_class_that_nobody_has_is_undefined_and_left_out() -> None:
    truth, probabilities = some(1)
    truth[:, 2] = 0
    scores = finding_scores(truth, probabilities)
    assert np.isnan(scores[2].auroc)
    expected = np.mean([scores[0].auroc, scores[1].auroc])
    assert multilabel_scores(truth, probabilities).auroc == pytest.approx(expected)


@pytest.mark.parametrize(
    ("truth", "probabilities", "message"),
    [
        (np.zeros((2, 3), int), np.zeros((2, 2)), "one shape"),
        (np.full((2, 2), 2), np.zeros((2, 2)), "allowed are 0, 1 and"),
        (np.zeros((2, 2), int), np.full((2, 2), np.nan), "not logits"),
    ],
)
def test_what_does_not_fit_is_refused(
    truth: np.ndarray, probabilities: np.ndarray, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        multilabel_scores(truth, probabilities)
