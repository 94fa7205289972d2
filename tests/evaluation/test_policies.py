"""Other tools' numbers are what these tools themselves say of the same masks."""

import math

import numpy as np
import pytest
import segmentation_models_pytorch.metrics as smp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import DiceMetric
from numpy.typing import NDArray
from torchmetrics.functional.segmentation import dice_score

from segx.evaluation.cases import CaseRow, case_rows
from segx.evaluation.policies import POLICIES, PolicyName, dice_by_policy
from segx.labels import Labels
from segx.metrics import Counts, count_overlap

CELLS = Labels("multiclass", ("background", "cytoplasm", "nucleus"))
FOUR = ((10, 0, 0), (5, 5, 5), (0, 0, 0), (0, 1, 0))


@pytest.mark.parametrize(
    ("policy", "dice"),
    [
        ("segx", 0.500),
        ("nnunet", 0.500),
        ("smp", 0.625),
        ("pooled", 0.732),
        ("monai", 0.750),
    ],
)
def test_the_four_case_truth_table(policy: PolicyName, dice: float) -> None:
    rows = [
        CaseRow(str(i), None, "cell", Counts(*counts, 20 - sum(counts)))
        for i, counts in enumerate(FOUR)
    ]
    found = dice_by_policy(rows, policy)
    assert round(found.foreground, 3) == dice
    assert found.classes == (("cell", found.foreground),)


@st.composite
def mask_pairs(draw: st.DrawFn) -> NDArray[np.uint8]:
    """Truth and prediction of some cases, (2, cases, rows, cols); some are empty."""
    cases = draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    masks = random.integers(0, 3, (2, cases, 4, 5)).astype(np.uint8)
    for side, case, name in np.ndindex(2, cases, 3):
        if random.random() < 0.3:
            masks[side, case][masks[side, case] == name] = 0
    return masks


def dice_of(masks: NDArray[np.uint8], policy: PolicyName) -> float:
    rows = [
        row
        for case, pair in enumerate(zip(*masks, strict=True))
        for row in case_rows(str(case), count_overlap(*pair, CELLS))
    ]
    return dice_by_policy(rows, policy).foreground


def one_hot(masks: NDArray[np.uint8]) -> torch.Tensor:
    planes = torch.nn.functional.one_hot(torch.from_numpy(masks).long(), 3)
    return planes.permute(0, 3, 1, 2)


@settings(max_examples=50)
@given(mask_pairs())
def test_monai(masks: NDArray[np.uint8]) -> None:
    metric = DiceMetric(include_background=False)
    metric(y_pred=one_hot(masks[1]), y=one_hot(masks[0]))
    # Where nothing is defined MONAI says 0; we say that nothing is.
    ours = dice_of(masks, "monai")
    assert float(metric.aggregate()) == pytest.approx(
        0 if math.isnan(ours) else ours, abs=1e-6
    )


@settings(max_examples=50)
@given(mask_pairs())
def test_smp(masks: NDArray[np.uint8]) -> None:
    truth, predicted = torch.from_numpy(masks).long()
    stats = smp.get_stats(predicted, truth, mode="multiclass", num_classes=3)
    tp, fp, fn, tn = (count[:, 1:] for count in stats)
    theirs = smp.f1_score(tp, fp, fn, tn, reduction="micro-imagewise")
    assert float(theirs) == pytest.approx(dice_of(masks, "smp"), abs=1e-6)


@settings(max_examples=50)
@given(mask_pairs())
def test_nnunet(masks: NDArray[np.uint8]) -> None:
    # As nnunetv2/evaluation/evaluate_predictions.py: nanmean of cases, mean of classes.
    truth, predicted = masks
    means = []
    for name in (1, 2):
        both = ((truth == name) & (predicted == name)).sum(axis=(1, 2))
        sizes = sum((mask == name).sum(axis=(1, 2)) for mask in masks)
        values = np.divide(
            2 * both, sizes, where=sizes > 0, out=np.full(len(both), np.nan)
        )
        known = values[~np.isnan(values)]
        means.append(known.mean() if len(known) else np.nan)
    np.testing.assert_allclose(dice_of(masks, "nnunet"), np.mean(means))


@settings(max_examples=50)
@given(mask_pairs())
def test_segx_is_torchmetrics_samplewise_and_pooled_its_global(
    masks: NDArray[np.uint8],
) -> None:
    truth, predicted = torch.from_numpy(masks).long()
    for policy, level in (("segx", "samplewise"), ("pooled", "global")):
        theirs = dice_score(
            predicted,
            truth,
            num_classes=3,
            include_background=False,
            average="none",
            aggregation_level=level,
            input_format="index",
        ).reshape(-1, 2)
        classes = [column[~column.isnan()] for column in theirs.T]
        means = [float(column.mean()) for column in classes if len(column)]
        wanted = np.mean(means) if means else np.nan
        np.testing.assert_allclose(dice_of(masks, policy), wanted, rtol=1e-5)


def test_every_policy_says_what_it_does() -> None:
    rows = case_rows("a", {"cell": Counts(1, 1, 1, 1)})
    meanings = {dice_by_policy(rows, policy).meaning for policy in POLICIES}
    assert len(meanings) == len(POLICIES)
