"""The report says what the summary says, of any case, in one file of bounded size."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segx.evaluation.cases import CaseRow, Distances, case_rows
from segx.evaluation.classification import ClassifiedCase, summarise_classified
from segx.evaluation.confusion import Confusion
from segx.evaluation.folders import Meaning, evaluate_masks
from segx.evaluation.masks import MaskEvaluation
from segx.evaluation.provenance import Provenance
from segx.evaluation.report import (
    Look,
    Sketch,
    sketch,
    write_classification_report,
    write_report,
)
from segx.evaluation.report.origin import lead, title
from segx.evaluation.report.sketch import draw
from segx.evaluation.summary import summarise
from segx.labels import UNKNOWN, Labels
from segx.metrics import Counts
from segx.pages import thumbnail
from tests.pages.browser import look_at
from tests.pages.offline import addresses, parse
from tests.phantoms import disc

HOSTILE = '<script src="http://evil.test/x.js">alert(1)</script>\0\udcff'
LABELS = Labels("multiclass", ("background", "<b>cytoplasm</b>", "nucleus"))
LARGEST = 5_000_000  # bytes of a report on 1,000 cases


def masks(seed: int, *, side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A truth of two classes, and a prediction that is off by some pixels."""
    _, truth = disc((side, side), seed)
    truth[: side // 2][truth[: side // 2] == 1] = 2
    return truth, np.roll(truth, seed % 7, axis=1)


def many_rows(count: int, name: str = "case") -> list[CaseRow]:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        for label in LABELS.foreground:
            tp, fp, fn = rng.integers(0, 900, 3).tolist()
            far = Distances(float(rng.uniform(0, 9)), 0.5, 2.0, "mm")
            counts = Counts(tp, fp, fn, 4096 - tp - fp - fn)
            rows.append(CaseRow(f"{name}{number}", f"p{number}", label, counts, far))
    return rows


def noisy_sketch(case: str, folder: Path) -> Sketch:
    """The worst for a page: an image and masks of noise."""
    rng = np.random.default_rng(0)
    path = folder / "noise.png"
    if not path.exists():
        Image.fromarray(rng.integers(0, 255, (500, 500, 3), np.uint8)).save(path)
    truth, predicted = rng.integers(0, 3, (2, 500, 500), np.uint8)
    return sketch(case, truth, predicted, labels=LABELS, image=path)


@pytest.fixture(scope="module")
def largest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on 1,000 cases with hostile names and pictures of noise."""
    folder = tmp_path_factory.mktemp("largest")
    rows = many_rows(1000, HOSTILE)
    one = noisy_sketch("", folder)
    kept = [
        Sketch(row.case, one.image, one.extent, 0, 1, one.masks) for row in rows[::2]
    ]
    table = np.array([[90, 1, 2], [3, 40, 5], [6, 7, 30]])
    summary = summarise(
        rows,
        confusion=Confusion.of(LABELS.names, table),
        provenance=Provenance(truth=HOSTILE, prediction=HOSTILE, notes=(HOSTILE,)),
    )
    path = folder / "report.html"
    write_report(path, summary, rows, labels=LABELS, sketches=kept, look=Look())
    return path


def test_a_report_on_1000_cases_stays_small_and_alone(largest: Path) -> None:
    html = largest.read_text(encoding="utf-8")
    assert len(html.encode()) < LARGEST
    assert addresses(html) == []
    assert "evil.test" not in str(parse(html).shape)
    assert html.count("<image ") == 9


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_shows_it_without_a_word(
    largest: Path, tmp_path: Path, width: int
) -> None:
    seen = look_at(largest, tmp_path, width=width)
    assert seen.console == []
    assert seen.width <= width
    assert seen.elements > 10_000


def test_the_report_shows_the_numbers_of_the_summary(tmp_path: Path) -> None:
    evaluation = MaskEvaluation(LABELS, unit="px", tolerance=2.0)
    for seed in range(4):
        evaluation.add(f"case{seed}", *masks(seed), patient=f"p{seed // 2}")
    summary = evaluation.write(tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", " ".join(parse(html).shown))
    estimates = [summary.foreground.dice, summary.foreground.iou]
    for item in summary.classes:
        estimates += [item.dice, item.iou, item.sensitivity, item.precision, item.nsd]
    for estimate in estimates:
        assert f"{estimate.value:.3f} {estimate.low:.3f}–{estimate.high:.3f}" in text
    assert "rest on 2 patients" in text
    assert summary.confusion is not None
    assert f">{summary.confusion.counts[1][1]:,}<".replace(",", "\u202f") in html


def test_misses_and_false_finds_are_said_on_top(tmp_path: Path) -> None:
    labels = Labels("binary", ("background", "lesion"))
    rows = [
        *case_rows("a", {"lesion": Counts(0, 0, 9, 91)}),
        *case_rows("b", {"lesion": Counts(0, 9, 0, 91)}),
        *case_rows("c", {"lesion": Counts(0, 0, 0, 100)}),
    ]
    path = tmp_path / "report.html"
    write_report(path, summarise(rows), rows, labels=labels)
    text = " ".join(parse(path.read_text(encoding="utf-8")).shown)
    assert "No hit, not one pixel right: lesion in 1 of 1 cases" in text
    assert "Predicted without being there: lesion in 1 of 2 cases" in text
    assert "nan" not in text


def test_where_all_draws_agree_no_interval_is_shown(tmp_path: Path) -> None:
    labels = Labels("binary", ("background", "cell"))
    rows = [
        row for name in "abc" for row in case_rows(name, {"cell": Counts(7, 2, 1, 90)})
    ]
    summary = summarise(rows)
    path = tmp_path / "report.html"
    write_report(path, summary, rows, labels=labels)
    html = path.read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", " ".join(parse(html).shown))
    dice = summary.foreground.dice
    assert dice.draws_agree
    assert f"{dice.value:.3f}" in text
    assert f"{dice.low:.3f}–{dice.high:.3f}" not in text


def test_the_rarest_class_and_a_single_answer_are_warned_of(tmp_path: Path) -> None:
    cases = [
        ClassifiedCase(f"case{number}", None, int(number < 9), (0.9, 0.1))
        for number in range(90)
    ]
    text = said_of(cases, ("benign", "malignant"), tmp_path)
    assert "rest on 9 patients of 'malignant'" in text
    assert "All 90 cases were taken for benign." in text
    common = [replace(case, truth=(1, int(case.truth != 1))) for case in cases]
    text = said_of(common, ("old", "benign"), tmp_path)
    assert "rest on 9 patients of 'not benign'" in text


def said_of(cases: Sequence[ClassifiedCase], names: Sequence[str], folder: Path) -> str:
    """What a report on the cases says in words."""
    path = folder / "report.html"
    summary = summarise_classified(cases, class_names=names)
    write_classification_report(path, summary, cases)
    return re.sub(r"\s+", " ", " ".join(parse(path.read_text("utf-8")).shown))


def test_a_report_on_many_classes_stays_small(tmp_path: Path) -> None:
    names = [f"class{number:02}" for number in range(40)]
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(40), 40).tolist()
    cases = [
        ClassifiedCase(f"case{n}", None, n, tuple(row)) for n, row in enumerate(shares)
    ]
    text = said_of(cases, names, tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 1_000_000
    assert "The 12 of 40 classes with the least AUROC." in text
    assert "The 12 of 40 classes with the largest calibration error." in text
    assert "Of 40 classes they are in summary.json alone." in text
    assert "p(most probable)" in text
    for name in names:
        assert name in text  # in the table of classes all of them stand


def test_lowest_middle_and_highest_are_shown_in_this_order(tmp_path: Path) -> None:
    labels = Labels("binary", ("background", "cell"))
    rows, kept = [], []
    for number in range(11):
        counts = Counts(number, 10 - number, 10 - number, 80)
        rows += case_rows(f"case{number:02}", {"cell": counts})
        empty = np.zeros((8, 8), np.uint8)
        kept.append(sketch(f"case{number:02}", empty, empty, labels=labels))
    path = tmp_path / "report.html"
    write_report(path, summarise(rows), rows[::-1], labels=labels, sketches=kept[::-1])
    html = path.read_text(encoding="utf-8")
    shown = re.findall(r'class="overlay[^>]*aria-label="case(\d\d)"', html)
    assert list(map(int, shown)) == [0, 1, 2, 4, 5, 6, 8, 9, 10]


def test_what_is_drawn_of_a_volume_is_its_fullest_plane(tmp_path: Path) -> None:
    labels = Labels("binary", ("background", "cell"), ignore_index=255)
    truth = np.zeros((5, 20, 30), np.uint8)
    truth[1] = 255  # ignored
    truth[3, 5:10, 5:10] = 1
    predicted = np.zeros_like(truth)
    predicted[3, 5:10, 8:13] = 1
    picture = draw(
        sketch("a", truth, predicted, labels=labels),
        labels=labels,
        look=Look(),
        details=[],
    )
    assert picture.details == ["plane 4 of 5, 20x30 px"]
    names = [item.line.name.split(" ")[-1] for item in picture.contours]
    assert names == ["(TP)", "(FP)", "(FN)"]
    assert len({item.line.colour for item in picture.contours}) == 3
    assert len({item.line.dashes for item in picture.contours}) == 3


def test_masks_of_any_tool_are_drawn_over_their_images(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("truth", "predicted", "images")]
    for folder in folders:
        folder.mkdir()
    for number in range(2):
        image, mask = disc((30, 40), number)
        moved = np.roll(mask, 2, axis=1)
        for folder, array in zip(folders, (mask, moved, image), strict=True):
            Image.fromarray(array).save(folder / f"case{number}.png")
    truth, predicted, images = folders
    evaluation, _ = evaluate_masks(truth, predicted, meaning=Meaning(images=images))
    evaluation.write(tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    for number in range(2):
        assert thumbnail(disc((30, 40), number)[0]) in html


def test_a_report_is_called_after_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for prediction in (".", "checkpoints/best.ckpt", "../here/checkpoints/last.ckpt"):
        assert title(Provenance(truth=".", prediction=prediction)) == "here"
    folds = Provenance(truth=".", prediction="cv/1/a.ckpt, cv/2/a.ckpt", title="cv")
    assert title(folds) == "cv"
    assert lead(folds, ["p"]).startswith("1 cases from here,")


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        evaluation = MaskEvaluation(LABELS, unit="px")
        for seed in range(3):
            evaluation.add(f"case{seed}", *masks(seed))
        evaluation.write(tmp_path / name)
    one, two = (tmp_path / name / "report.html" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_the_surest_mistakes_are_shown_first(tmp_path: Path) -> None:
    names = (HOSTILE, "malignant", "normal")
    rng = np.random.default_rng(0)
    cases, images = [], {}
    for number in range(40):
        shares = rng.dirichlet((1, 1, 1)).tolist()
        cases.append(ClassifiedCase(f"case{number}", None, number % 3, tuple(shares)))
        images[f"case{number}"] = tmp_path / f"case{number}.png"
        Image.fromarray(disc((40, 40), number)[0]).save(images[f"case{number}"])
    summary = summarise_classified(cases, class_names=names)
    path = tmp_path / "report.html"
    write_classification_report(path, summary, cases, images=images)
    html = path.read_text(encoding="utf-8")
    assert addresses(html) == []
    wrong = [c for c in cases if int(np.argmax(c.probabilities)) != c.truth]
    wrong.sort(key=lambda case: -max(case.probabilities))
    shown = re.findall(r'class="overlay[^>]*aria-label="([^"]*)"', html)
    assert shown == [case.case for case in wrong[:12]]
    text = re.sub(r"\s+", " ", " ".join(parse(html).shown))
    for item in summary.classes:
        area = item.auroc
        assert f"{area.value:.3f} {area.low:.3f}–{area.high:.3f}" in text
        assert not math.isnan(area.low)


def test_cases_of_several_classes_and_of_one_class_alone_can_be_reported(
    tmp_path: Path,
) -> None:
    several = [
        ClassifiedCase("a", None, (1, 1), (0.9, 0.2)),
        ClassifiedCase("b", None, (0, 1), (0.5, 0.7)),
        ClassifiedCase("c", None, (0, UNKNOWN), (0.1, 0.9)),
        ClassifiedCase("d", None, (0, 0), (0.1, 0.4)),
    ]
    alone = [ClassifiedCase("a", None, 0, (0.9, 0.1))]
    image = tmp_path / "b.png"
    Image.fromarray(disc((40, 40), 0)[0]).save(image)
    for name, cases in (("several", several), ("alone", alone)):
        path = tmp_path / f"{name}.html"
        summary = summarise_classified(cases, class_names=("one", "two"))
        write_classification_report(path, summary, cases, images={"b": image})
        assert addresses(path.read_text(encoding="utf-8")) == []
    html = (tmp_path / "several.html").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", " ".join(parse(html).shown))
    assert "one against the rest: n = 1 of 4 cases" in text
    assert "two against the rest: n = 2 of 3 cases" in text
    assert "one named (0.50)" in text  # found from 0.5 on, as everywhere
