"""The charts of the report on classes: ranking and calibration."""

from collections.abc import Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from segx.evaluation.bootstrap import Resampling
from segx.evaluation.classification import (
    ClassEstimates,
    ClassificationSummary,
    ClassifiedCase,
)
from segx.evaluation.report.cells import MOST_CHARTS
from segx.labels import UNKNOWN
from segx.pages import Block, Chart, Charts, Text
from segx.pages.charts import Band, Curve, curves
from segx.pages.reliability import reliability

__all__ = ["calibration", "is_known", "is_of", "roc_charts"]


def roc_charts(
    summary: ClassificationSummary, cases: Sequence[ClassifiedCase]
) -> list[Block]:
    """The ROC curve of each class that has one; of many the worst."""
    drawn = [item for item in enumerate(summary.classes) if item[1].roc is not None]
    worst = sorted(drawn, key=lambda item: item[1].auroc.value)[:MOST_CHARTS]
    charts = [
        _roc_chart(item, index, cases)
        for index, item in sorted(worst, key=itemgetter(0))
    ]
    return _all_or_some(charts, of=len(drawn), by="least AUROC")


def calibration(summary: ClassificationSummary) -> list[Block]:
    """Probability against frequency of each class; of many the worst."""
    of = list(enumerate(summary.classes))
    worst = sorted(of, key=lambda item: -np.nan_to_num(item[1].ece.value))[:MOST_CHARTS]
    worst.sort(key=itemgetter(0))
    charts = [_reliability_chart(item) for _, item in worst]
    return _all_or_some(charts, of=len(of), by="largest calibration error")


def is_of(case: ClassifiedCase, index: int) -> bool:
    """Whether a case truly is of a class."""
    if isinstance(case.truth, int):
        return case.truth == index
    return case.truth[index] == 1


def is_known(case: ClassifiedCase, index: int) -> bool:
    """Whether that is known."""
    return isinstance(case.truth, int) or case.truth[index] != UNKNOWN


def _roc_chart(
    item: ClassEstimates, index: int, cases: Sequence[ClassifiedCase]
) -> Chart:
    told = [case for case in cases if is_known(case, index)]
    real = np.array([is_of(case, index) for case in told])
    scored = np.array([case.probabilities[index] for case in told])
    resampling = Resampling([case.cluster for case in told])
    grid, low, high = _band(real, scored, resampling)
    corners = item.roc or ((), ())
    svg = curves(
        [Curve("sensitivity", corners[0], corners[1])],
        band=Band(grid, low, high),
        x_axis="1 − specificity",
        y_axis="sensitivity",
        is_unit_square=True,
    )
    area = item.auroc
    span = f", 95 % interval {area.low:.3f} to {area.high:.3f}"
    return Chart(
        svg,
        f"{item.name} against the rest: n = {item.n} of {len(told)} cases. AUROC "
        f"{area.value:.3f}{'' if area.draws_agree else span}; the band "
        "is the 95 % interval of the sensitivity, patients drawn anew.",
    )


def _band(
    real: NDArray[np.bool_], scored: NDArray[np.float64], resampling: Resampling
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """For false positive rates the interval that the sensitivity is in."""
    grid = np.linspace(0, 1, 101)
    order = np.argsort(-scored, kind="stable")
    is_last = np.append(np.diff(scored[order]) != 0, True)  # ties are named together

    def sensitivities(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        drawn = weights[:, order]
        found = np.cumsum(drawn * real[order], axis=1)[:, is_last]
        wrong = np.cumsum(drawn * ~real[order], axis=1)[:, is_last]
        curves_drawn = np.full((len(drawn), len(grid)), np.nan)
        for row, (y, x) in enumerate(zip(found, wrong, strict=True)):
            if y[-1] and x[-1]:
                ends = np.append(0, x / x[-1]), np.append(0, y / y[-1])
                curves_drawn[row] = np.interp(grid, *ends)
        return curves_drawn

    _, draws = resampling.statistic(sensitivities)
    low, high = np.nanquantile(draws, (0.025, 0.975), axis=0)
    return grid, low, high


def _all_or_some(charts: Sequence[Chart], *, of: int, by: str) -> list[Block]:
    if not charts:
        return []
    some = Text(f"The {len(charts)} of {of} classes with the {by}.")
    return [*([some] if len(charts) < of else []), Charts(charts)]


def _reliability_chart(item: ClassEstimates) -> Chart:
    return Chart(
        reliability(
            item.reliability.probability,
            item.reliability.frequency,
            item.reliability.n,
            unit="cases",
            has_intervals=True,
        ),
        f"{item.name}: share of the cases that are of the class by predicted "
        f"probability, n = {sum(item.reliability.n)} in 15 bins, with 95 % "
        f"Wilson intervals; expected calibration error {item.ece.value:.3f}.",
    )
