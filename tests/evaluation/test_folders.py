"""Masks of any tool are paired, checked, read and measured; nothing is guessed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segx.cli.main import main
from segx.errors import DataError, ScanError
from segx.evaluation.cases import CaseRow, read_cases
from segx.evaluation.folders import Meaning, evaluate_masks
from segx.evaluation.pairs import match_masks
from segx.metrics import Counts
from tests.phantoms import ball, disc, write_volume

PLAIN = Meaning()


def write_mask(path: Path, ids: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids).save(path)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Truth of 0 and 255, a prediction of 0 and 1, and files that are no prediction."""
    for number in range(4):
        _, mask = disc((30, 40), number)
        name = f"p{number // 2}_s{number % 2}"
        write_mask(tmp_path / "truth" / f"{name}.png", mask * 255)
        write_mask(tmp_path / "predicted" / f"{name}.tif", np.roll(mask, 2, axis=0))
        write_mask(tmp_path / "predicted" / f"{name}_overlay.png", mask)
    return tmp_path / "truth", tmp_path / "predicted"


def rows_of(truth: Path, predicted: Path, meaning: Meaning = PLAIN) -> list[CaseRow]:
    return evaluate_masks(truth, predicted, meaning=meaning)[0].rows


def test_folders_are_matched_by_stem_and_values_mapped(
    folders: tuple[Path, Path],
) -> None:
    evaluation, provenance = evaluate_masks(
        *folders, meaning=Meaning(patient_pattern=r"^(p\d)_"), tolerance=1
    )
    assert [(row.case, row.patient) for row in evaluation.rows] == [
        ("p0_s0", "p0"),
        ("p0_s1", "p0"),
        ("p1_s0", "p1"),
        ("p1_s1", "p1"),
    ]
    summary = evaluation.summarise()
    assert summary.n_patients == 2
    assert (summary.unit, summary.tolerance) == ("px", 1)
    assert 0.5 < summary.foreground.dice.value < 1
    assert "Values of the truth: 0 → 0, 255 → 1." in provenance.notes


def test_the_truth_against_itself_is_perfect(folders: tuple[Path, Path]) -> None:
    truth, _ = folders
    for row in rows_of(truth, truth):
        assert row.counts.dice == 1
        assert row.distances is not None
        assert row.distances.hd95 == 0


def test_missing_predictions_are_misses_only_on_request(
    folders: tuple[Path, Path],
) -> None:
    truth, predicted = folders
    (predicted / "p1_s0.tif").unlink()
    with pytest.raises(DataError, match=r"lacks 1 of 4 .* p1_s0\..*--missing-as-empty"):
        rows_of(truth, predicted)
    evaluation, provenance = evaluate_masks(
        truth, predicted, meaning=Meaning(missing_as_empty=True)
    )
    summary = evaluation.summarise()
    assert summary.classes[0].n_missed == 1
    assert summary.classes[0].n_defined == 4
    assert "Missing predictions taken for empty ones: p1_s0." in provenance.notes


def test_what_predict_writes_beside_masks_is_no_mask(
    folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    truth, predicted = folders
    stems = [pair.case for pair in match_masks(truth, predicted)]
    for suffix in ("_overlay.png", "_uncertainty.tif", "_probabilities.tif"):
        (predicted / f"{stems[0]}{suffix}").write_bytes(b"")
    (predicted / "alien_overlay.png").write_bytes(b"")
    caplog.clear()
    assert [pair.case for pair in match_masks(truth, predicted)] == stems
    assert "1 masks of" in caplog.text
    assert "alien_overlay" in caplog.text


def test_masks_of_another_size_are_refused_with_both(
    folders: tuple[Path, Path],
) -> None:
    truth, predicted = folders
    write_mask(predicted / "p0_s0.tif", np.zeros((40, 30), np.uint8))
    with pytest.raises(DataError, match=r"p0_s0\.png has 30x40 px.*tif 40x30"):
        rows_of(truth, predicted)


def test_volumes_are_measured_in_mm_and_must_lie_in_the_same_place(
    tmp_path: Path,
) -> None:
    _, mask = ball((9, 20, 24), 0)
    truth = write_volume(tmp_path / "truth" / "case_001.nii.gz", mask)
    same = write_volume(tmp_path / "a" / "case_001.nrrd", np.roll(mask, 1, axis=0))
    (first, _) = rows_of(truth.parent, same.parent)
    assert first.distances is not None
    assert (first.distances.hd95, first.distances.unit) == (2.0, "mm")
    assert first.truth_size is not None
    assert first.truth_size.unit == "mm3"
    for change, message in (
        (
            {"spacing_mm": (2.0, 1.0, 0.6)},
            r"spacing in mm \(2, 1, 0\.5\) and \(2, 1, 0\.6",
        ),
        ({"origin_mm": (5.0, -7.0, 12.0)}, r"origin in mm .*11\) and .*12\)"),
    ):
        other = write_volume(tmp_path / "b" / "case_001.nii.gz", mask, **change)
        with pytest.raises(DataError, match=message):
            rows_of(truth, other)


def test_two_files_are_one_case_whatever_their_names(
    folders: tuple[Path, Path],
) -> None:
    truth, predicted = folders
    (row,) = rows_of(truth / "p0_s0.png", predicted / "p0_s1.tif")
    assert row.case == "p0_s0"
    with pytest.raises(DataError, match=r"is a file, but .* a folder"):
        match_masks(truth / "p0_s0.png", predicted)


def test_a_given_pixel_size_gives_distances_in_mm(folders: tuple[Path, Path]) -> None:
    (row, *_) = rows_of(*folders, Meaning(pixel_mm=(0.5, 0.25)))
    assert row.distances is not None
    assert (row.distances.hd95, row.distances.unit) == (1.0, "mm")
    assert row.truth_size is not None
    pixels = row.counts.tp + row.counts.fn
    assert row.truth_size.value == pytest.approx(pixels * 0.125)
    with pytest.raises(DataError, match="3 pixel sizes given for masks of 2 axes"):
        rows_of(*folders, Meaning(pixel_mm=(1.0, 1.0, 1.0)))


def test_ignored_pixels_do_not_count(folders: tuple[Path, Path]) -> None:
    truth, predicted = folders
    ids = np.ones((4, 4), np.uint8)
    ids[0] = 9
    write_mask(truth / "p0_s0.png", ids)
    write_mask(predicted / "p0_s0.tif", np.ones((4, 4), np.uint8))
    (row,) = rows_of(
        truth / "p0_s0.png", predicted / "p0_s0.tif", Meaning(ignore_index=9)
    )
    assert row.counts == Counts(12, 0, 0, 0)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "no regular"),
        (r"q(\d)", "no patient in 'p0_s0'"),
        (r"^(q\d)?", "no patient in 'p0_s0'"),
    ],
)
def test_patterns_that_find_no_patient_are_refused(
    folders: tuple[Path, Path], pattern: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        match_masks(*folders, patient_pattern=pattern)


def test_files_that_are_no_masks_are_refused(folders: tuple[Path, Path]) -> None:
    truth, predicted = folders
    write_mask(truth / "p0_s0.tif", np.zeros((30, 40), np.uint8))
    with pytest.raises(DataError, match="share their stems"):
        match_masks(truth, predicted)
    colours = write_mask(truth / "c.png", np.zeros((30, 40, 3), np.uint8))
    with pytest.raises(DataError, match="3 channels"):
        rows_of(colours, predicted / "p0_s0.tif")
    with pytest.raises(ScanError):
        match_masks(truth / "none", predicted)


def test_the_commands_print_and_write_what_they_found(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, predicted = folders
    words = ["evaluate", str(truth), "--tolerance", "2"]
    one, other = tmp_path / "one", tmp_path / "other"
    asked = ["--classes", "background", "cell", "--policy", "monai"]
    assert main([*words, str(predicted), "-o", str(one), *asked]) == 0
    shown = capsys.readouterr().out
    for text in ("hd95 px", "nsd@2 px", "under 50", "DiceMetric", "cell"):
        assert text in shown
    *table, files = shown.splitlines()
    assert files.startswith("Written to")
    assert max(map(len, table)) <= 80
    for name in ("cases.csv", "summary.json", "report.html"):
        assert name in shown
        assert (one / name).is_file()
    content = json.loads((one / "summary.json").read_text(encoding="utf-8"))
    assert content["provenance"]["truth"] == str(truth)
    assert len(read_cases(one / "cases.csv")) == 4

    assert main([*words, str(truth), "-o", str(other), "--classes", "b", "cell"]) == 0
    assert main(["compare", str(one), str(other)]) == 0
    shown = capsys.readouterr().out
    assert "foreground: other is better" in shown
    assert main(["compare", str(one), str(tmp_path)]) == 1


def test_real_volumes(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    truth = shared_data("hippocampus3d") / "test" / "masks"
    names = sorted(truth.glob("*.nii.gz"))[:3]
    for path in names:
        (tmp_path / path.name).symlink_to(path)
    evaluation, _ = evaluate_masks(tmp_path, truth, meaning=PLAIN, tolerance=1)
    summary = evaluation.summarise()
    assert (summary.n_cases, summary.unit) == (3, "mm")
    assert summary.foreground.dice.value == 1
