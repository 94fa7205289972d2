"""Intervals are those of patients drawn anew, and hold what they promise."""

import importlib.util
import math
import tracemalloc
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from segx.evaluation.bootstrap import DRAWS, FEW_PATIENTS, Estimate, Resampling
from tests.conftest import REPOSITORY


@st.composite
def scored_cases(draw: st.DrawFn) -> tuple[list[str], NDArray[np.float64]]:
    """Patients and scores of cases, some undefined."""
    n = draw(st.integers(1, 30))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    patients = random.integers(0, max(1, n // 2), n).astype(str).tolist()
    scores = random.random(n)
    scores[random.random(n) < 0.2] = np.nan
    return patients, scores


def as_tuple(found: Estimate) -> tuple[float, ...]:
    return found.value, found.low, found.high, found.n, found.n_patients


def test_the_interval_is_scipys_where_each_patient_has_one_case() -> None:
    scores = np.random.default_rng(1).beta(8, 2, 80)
    found = Resampling([str(i) for i in range(80)]).mean(scores)
    theirs = stats.bootstrap(
        (scores,), np.mean, n_resamples=20_000, method="percentile", rng=0
    ).confidence_interval
    assert found.value == pytest.approx(scores.mean())
    assert (found.low, found.high) == pytest.approx(tuple(theirs), abs=0.002)


def test_the_interval_is_that_of_a_loop_over_drawn_patients() -> None:
    random = np.random.default_rng(2)
    patients = random.integers(0, 20, 60).astype(str)
    scores = random.random((60, 2))
    scores[random.random((60, 2)) < 0.2] = np.nan
    names = np.unique(patients)
    means = []
    for _ in range(4000):
        cases = np.concatenate(
            [np.flatnonzero(patients == name) for name in random.choice(names, 20)]
        )
        means.append(np.nanmean(scores[cases], axis=0).mean())
    found = Resampling(patients.tolist()).mean_of_means(scores)
    wanted = np.quantile(means, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(tuple(wanted), abs=0.01)


@settings(max_examples=30)
@given(scored_cases(), st.integers(2, 4))
def test_more_of_the_same_cases_make_no_interval_narrower(
    cases: tuple[list[str], NDArray[np.float64]], times: int
) -> None:
    patients, scores = cases
    once = Resampling(patients).mean(scores)
    often = Resampling(patients * times).mean(np.tile(scores, times))
    assert as_tuple(often)[:3] == pytest.approx(as_tuple(once)[:3], nan_ok=True)
    assert (often.n, often.n_patients) == (times * once.n, once.n_patients)


@settings(max_examples=30)
@given(scored_cases(), st.randoms(use_true_random=False))
def test_order_changes_nothing_and_the_value_lies_between_all_scores(
    cases: tuple[list[str], NDArray[np.float64]], random: Random
) -> None:
    patients, scores = cases
    found = Resampling(patients).mean(scores)
    order = random.sample(range(len(scores)), len(scores))
    back = Resampling([patients[i] for i in order]).mean(scores[order])
    assert as_tuple(back) == pytest.approx(as_tuple(found), nan_ok=True)
    if not math.isnan(found.low):
        least, most = np.nanmin(scores), np.nanmax(scores)
        assert least - 1e-9 <= found.low <= found.high <= most + 1e-9


@settings(max_examples=30)
@given(scored_cases())
def test_any_statistic_of_weighted_cases_has_the_same_draws(
    cases: tuple[list[str], NDArray[np.float64]],
) -> None:
    patients, scores = cases
    scores = np.nan_to_num(scores, nan=0.5)
    resampling = Resampling(patients)
    value, draws = resampling.statistic(
        lambda weights: weights @ scores / weights.sum(axis=1)
    )
    assert len(draws) == DRAWS
    everyone = np.ones(len(scores), bool)
    found = resampling.estimate(float(value), draws, counted=everyone)
    assert as_tuple(found) == pytest.approx(
        as_tuple(resampling.mean(scores)), nan_ok=True
    )


def test_many_patients_take_little_memory_and_the_same_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patients = [str(number) for number in range(2000)]
    scores = np.random.default_rng(0).random(2000)
    whole = Resampling(patients).mean(scores)
    monkeypatch.setattr("segx.evaluation.bootstrap._CHUNK_VALUES", 2**16)
    tracemalloc.start()
    few_at_once = Resampling(patients).mean(scores)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert as_tuple(few_at_once) == pytest.approx(as_tuple(whole))
    assert most < 3 * DRAWS * len(patients)  # of each draw two bytes a patient stay


def test_one_patient_has_no_interval_and_few_are_marked() -> None:
    alone = Resampling(["a", "a"]).mean(np.array([0.2, 0.4]))
    assert alone.value == pytest.approx(0.3)
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)
    nothing = Resampling(["a", "b"]).mean(np.full(2, np.nan))
    assert math.isnan(nothing.value)
    assert nothing.n == nothing.n_patients == 0
    for count in (FEW_PATIENTS - 1, FEW_PATIENTS):
        names = [str(i) for i in range(count)]
        found = Resampling(names).mean(np.linspace(0, 1, count))
        assert found.is_of_few == (count < FEW_PATIENTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "least"),
    [("normal", 0.93), ("skewed", 0.90), ("missed", 0.90), ("clustered", 0.93)],
)
def test_intervals_of_60_patients_hold_the_truth(kind: str, least: float) -> None:
    path = REPOSITORY / "scripts" / "bench" / "coverage.py"
    spec = importlib.util.spec_from_file_location("coverage_bench", path)
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    held = bench.coverage(bench.KINDS[kind], patients=60, simulations=5000)
    assert held >= least
