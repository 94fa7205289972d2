"""Two classifiers are told apart, or not, on the cases that both saw."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segx.cli.main import main
from segx.errors import DataError
from segx.evaluation.classification import (
    HEADLINES,
    ClassifiedCase,
    summarise_classified,
)
from segx.evaluation.classified_file import kind_of, write_classified
from segx.evaluation.compare_classified import ClassifiedComparison, compare_classified
from segx.labels import UNKNOWN

NAMES = ("benign", "malignant")


def some(seed: int, *, skill: float = 1.0) -> list[ClassifiedCase]:
    """A hundred cases of fifty patients; skill parts the classes."""
    random = np.random.default_rng(seed)
    cases = []
    for number in range(100):
        truth = number % 2
        scored = 1 / (1 + np.exp(-random.normal(skill * (2 * truth - 1))))
        cases.append(
            ClassifiedCase(
                f"case{number:02}", f"p{number // 2}", truth, (1 - scored, scored)
            )
        )
    return cases


def compared(
    first: list[ClassifiedCase], second: list[ClassifiedCase]
) -> ClassifiedComparison:
    return compare_classified(first, second, class_names=(NAMES, NAMES))


def test_scores_are_those_of_each_alone_and_a_better_model_is_told() -> None:
    first, second = some(1, skill=0.3), some(2, skill=2.0)
    found = compared(first, second)
    one, other = (
        summarise_classified(cases, class_names=NAMES).scores
        for cases in (first, second)
    )
    for item in found.scores:
        assert item.first == getattr(one, item.name).value
        assert item.second == getattr(other, item.name).value
        assert item.difference.value == pytest.approx(item.second - item.first)
    assert tuple(item.name for item in found.scores) == HEADLINES
    for item in found.scores[:4]:  # less Brier is better, more of the others
        assert "second is better" in item.verdict()
    assert found.wins > found.losses
    assert (found.n_cases, found.n_patients) == (100, 50)


def test_changing_places_changes_the_signs_and_the_same_model_shows_nothing() -> None:
    there, back = compared(some(1), some(2)), compared(some(2), some(1))
    for one, other in zip(there.scores, back.scores, strict=True):
        assert one.difference.low == pytest.approx(-other.difference.high)
        assert one.difference.high == pytest.approx(-other.difference.low)
    assert (there.wins, there.losses) == (back.losses, back.wins)
    same = compared(some(1), some(1)[::-1])
    assert {item.difference.value for item in same.scores} == {0.0}
    assert all("holds 0" in item.verdict() for item in same.scores)


def test_cases_of_one_side_are_listed_and_other_truths_refused() -> None:
    found = compared(some(1)[1:], some(2)[:-1])
    assert (found.only_first, found.only_second) == (("case99",), ("case00",))
    wrong = [replace(some(1)[0], truth=1), *some(1)[1:]]
    with pytest.raises(DataError, match="'case00' is 0 in the first and 1"):
        compared(some(1), wrong)
    with pytest.raises(DataError, match="No case is in both"):
        compared(some(1)[:3], some(1)[3:])
    with pytest.raises(DataError, match="same classes"):
        compare_classified(some(1), some(1), class_names=(NAMES, NAMES[::-1]))


def test_what_is_unknown_of_a_case_is_neither_right_nor_wrong() -> None:
    names = ("one", "two")
    first = [
        ClassifiedCase("a", None, (1, UNKNOWN), (0.9, 0.9)),
        ClassifiedCase("b", None, (0, 1), (0.1, 0.8)),
        ClassifiedCase("c", None, (0, 0), (0.2, 0.1)),
    ]
    second = [replace(case, probabilities=(0.8, 0.2)) for case in first]
    found = compare_classified(first, second, class_names=(names, names))
    assert (found.wins, found.losses) == (0, 2)  # "a" is right in both


def test_the_command_compares_classifiers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, skill in (("a", 0.3), ("b", 2.0)):
        path = tmp_path / name / "test" / "cases.csv"
        write_classified(path, some(1, skill=skill), class_names=NAMES)
        assert kind_of(path) == "classes"
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("case,patient,objects,found,missed,false\nx,,3,2,1,0\n")
    assert main(["compare", str(boxes), str(boxes)]) == 2
    assert "only masks and classes" in " ".join(capsys.readouterr().err.split())
    assert main(["compare", str(boxes), str(tmp_path / "a")]) == 2
    assert "boxes.csv is of boxes" in " ".join(capsys.readouterr().err.split())
    words = ["compare", str(tmp_path / "a"), str(tmp_path / "b")]
    assert main([*words, "--metric", "dice"]) == 2
    assert "--metric dice is about masks" in " ".join(capsys.readouterr().err.split())
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "auroc: b is better" in shown
    assert max(map(len, shown.splitlines())) <= 80
