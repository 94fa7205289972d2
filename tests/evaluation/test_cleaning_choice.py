import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segx.data.case import Case
from segx.evaluation.bootstrap import DRAWS
from segx.evaluation.cases import CaseRow
from segx.evaluation.cleaning_choice import (
    TRIALS,
    Trials,
    choose_cleaning,
    has_trials,
    read_trials,
)
from segx.labels import Labels
from segx.metrics.overlap import Counts

BINARY = Labels("binary", ("background", "cell"))


def speckled(seed: int, *, truth_is_speckled: bool) -> tuple[np.ndarray, np.ndarray]:
    """A disc and, in the prediction at least, specks around it."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:40, :40]
    disc = (np.hypot(rows - 20, cols - 20) < rng.uniform(6, 9)).astype(np.uint8)
    specks = np.zeros_like(disc)
    specks[1::6, :3] = specks[:3, 1::6] = 1
    predicted = disc | specks
    return (predicted if truth_is_speckled else disc), predicted


def tried(count: int, *, truth_is_speckled: bool = False) -> Trials:
    trials = Trials(BINARY)
    for seed in range(count):
        truth, predicted = speckled(seed, truth_is_speckled=truth_is_speckled)
        trials.add(Case(f"c{seed}", Path(f"c{seed}.png")), truth, predicted)
    return trials


def chosen(trials: Trials, folder: Path) -> tuple[str | None, dict[str, object]]:
    assert not has_trials(folder)
    trials.write(folder)
    assert has_trials(folder)
    choice = choose_cleaning(read_trials([folder]))
    choice.write(folder / "cleaning.json")
    written = json.loads((folder / "cleaning.json").read_text())
    assert written["adopted"] == choice.trial
    return choice.trial, written


def test_specks_that_are_errors_are_cleaned(tmp_path: Path) -> None:
    trial, written = chosen(tried(12), tmp_path)
    assert trial is not None
    cleaning = written["cleaning"]
    assert isinstance(cleaning, dict)
    assert cleaning["largest"] or cleaning["min_size_px"]
    assert cleaning["classes"] is None


def test_specks_that_are_true_stay(tmp_path: Path) -> None:
    trial, written = chosen(tried(12, truth_is_speckled=True), tmp_path)
    assert trial is None
    assert written["cleaning"] is None


def test_of_few_patients_nothing_is_concluded(tmp_path: Path) -> None:
    assert chosen(tried(9), tmp_path)[0] is None


def test_cleaning_leaves_the_prediction_as_it_is() -> None:
    truth, predicted = speckled(0, truth_is_speckled=False)
    kept = predicted.copy()
    Trials(BINARY).add(Case("c", Path("c.png")), truth, predicted)
    assert np.array_equal(predicted, kept)


@pytest.mark.parametrize("planes", [1, 3])
def test_volumes_and_multilabel_masks_are_counted(tmp_path: Path, planes: int) -> None:
    labels = Labels("multilabel", ("a", "b"))
    truth = np.zeros((planes, 9, 9, 2), np.uint8)
    truth[:, 2:5, 2:5, 0] = truth[:, 3:8, 3:8, 1] = 1
    trials = Trials(labels)
    trials.add(Case("c", Path("c.png")), truth if planes > 1 else truth[0], truth)
    trials.write(tmp_path)
    for row in read_trials([tmp_path])["holes"]:
        assert (row.counts.fp, row.counts.fn) == (0, 0)
        assert row.counts.tp == planes * {"a": 9, "b": 25}[row.class_name]


def of_dice(before: np.ndarray, after: np.ndarray) -> dict[str, list[CaseRow]]:
    """Rows of cases with such Dice, in thousandths; one trial changes it."""

    def rows(dice: np.ndarray) -> list[CaseRow]:
        counts = (Counts(d, 1000 - d, 1000 - d, 0) for d in dice.tolist())
        return [CaseRow(f"{i}", None, "cell", item) for i, item in enumerate(counts)]

    return {name: rows(before) for name in ("none", *TRIALS)} | {"largest": rows(after)}


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(10, 40))
def test_what_only_hurts_is_never_adopted(seed: int, cases: int) -> None:
    rng = np.random.default_rng(seed)
    before = rng.integers(100, 1000, cases)
    after = before - rng.integers(0, 50, cases)
    assert choose_cleaning(of_dice(before, after)).trial is None


def test_noise_is_hardly_ever_adopted() -> None:
    adopted = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        before = rng.integers(400, 900, 30)
        after = before + rng.integers(-60, 61, 30)
        adopted += choose_cleaning(of_dice(before, after)).trial is not None
    assert adopted <= 2  # 5 % of 30 tries, less what the other trials take


@pytest.mark.parametrize("classes", [1, 5, 30])
def test_no_more_confidence_is_stated_than_the_draws_can_tell(classes: int) -> None:
    tables = of_dice(np.arange(100, 112), np.arange(100, 112))
    rows = {
        trial: [replace(row, class_name=str(n)) for n in range(classes) for row in some]
        for trial, some in tables.items()
    }
    error = 1 - choose_cleaning(rows).confidence
    assert error == pytest.approx(max(0.05 / (len(TRIALS) * classes), 1 / DRAWS))


def test_a_sure_gain_is_adopted_and_a_tiny_one_is_not() -> None:
    before = np.random.default_rng(0).integers(400, 900, 40)
    assert choose_cleaning(of_dice(before, before + 20)).trial == "largest"
    tiny = before + (np.arange(40) == 0) * 20  # half a thousandth on average
    assert choose_cleaning(of_dice(before, tiny)).trial is None
