import csv
from dataclasses import replace
from pathlib import Path

import pytest

from segx.config import DataConfig
from segx.data.case import Case, Layout
from segx.data.defects import DefectsError
from segx.data.splits import Splits, split
from segx.data.splits_file import (
    check_splits,
    join_folds,
    read_splits,
    refuse_trained_images,
    write_splits,
)
from segx.errors import DataError
from tests.data.sets import cases

ROOT = Path()


def three() -> Splits:
    """A case in each split, and one apart."""
    a, b, c, d = cases(4, patients=["p, q", None, "r", "s"])
    digests = {case.id: f"d{number}" for number, case in enumerate((a, b, c, d))}
    return Splits((a,), (b,), (c,), (d,), digests)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_splits(tmp_path / "splits.csv", three(), root=ROOT)
    return tmp_path / "splits.csv"


def test_a_row_tells_case_patient_split_image_and_digest(written: Path) -> None:
    with written.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["case", "patient", "split", "image", "sha256"],
        ["case000", "p, q", "train", "case000.png", "d0"],
        ["case001", "", "val", "case001.png", "d1"],
        ["case002", "r", "test", "case002.png", "d2"],
        ["case003", "s", "apart", "case003.png", "d3"],
    ]


def test_the_same_cases_pass(written: Path) -> None:
    check_splits(written, three(), root=ROOT)
    there = three().train[0].image
    moved = replace(three().train[0], image=Path("elsewhere") / there)
    found = replace(three(), train=(moved,), val=(), test=(), apart=())
    with pytest.raises(DefectsError, match="case001 is missing now"):
        check_splits(written, found, root=Path("elsewhere"))


def test_names_with_spaces_come_back(tmp_path: Path) -> None:
    case = replace(three().train[0], id="scan ", image=ROOT / "scan .png")
    splits = replace(three(), train=(case,), digests={})
    write_splits(tmp_path / "splits.csv", splits, root=ROOT)
    check_splits(tmp_path / "splits.csv", splits, root=ROOT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": cases(6)[5:]}, "case005 is new now"),
        ({"val": ()}, "case001 is missing now"),
        ({"train": (), "val": cases(2)}, "case000, .*split is val, and was train"),
        ({"digests": {}}, "case002, sha256 is unknown, and was d2"),
        (
            {"test": (Case("case002", Path("new/case002.png"), patient="r"),)},
            "image is new/case002.png, and was case002.png",
        ),
    ],
)
def test_every_change_is_told(
    written: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(DefectsError, match=message):
        check_splits(written, replace(three(), **change), root=ROOT)  # type: ignore[arg-type]


def test_splits_are_read_back(written: Path) -> None:
    layout = Layout(ROOT, cases(4, patients=["p, q", None, "r", "s"]), kind="folders")
    found = read_splits(written, layout)
    assert (found.items(), found.apart) == (three().items(), three().apart)
    with pytest.raises(DataError, match="'case004'"):
        read_splits(written, replace(layout, cases=cases(5)))


@pytest.mark.parametrize("name", ["valid", "Train", ""])
def test_no_case_is_lost_by_the_name_of_its_split(name: str, written: Path) -> None:
    written.write_text(written.read_text().replace(",val,", f",{name},"))
    found = tuple(case for _, part in three().items() for case in part)
    layout = Layout(ROOT, (*found, *three().apart), kind="folders")
    with pytest.raises(DataError, match=f"'case001' into '{name}'; allowed: train,"):
        read_splits(written, layout)


def test_trained_images_are_no_test_whatever_they_are_called(written: Path) -> None:
    other = Case("renamed", Path("renamed.png"))
    refuse_trained_images(written, Splits((), (), (other,), digests={"renamed": "d2"}))
    with pytest.raises(DefectsError, match="is the image of case000"):
        refuse_trained_images(
            written, Splits((), (), (other,), digests={"renamed": "d0"})
        )


def test_folds_are_joined_where_each_case_is_held_out_once(tmp_path: Path) -> None:
    layout = Layout(ROOT, cases(9), kind="folders")
    files = [tmp_path / f"{fold}.csv" for fold in range(3)]
    for fold, file in enumerate(files):
        found = split(layout, DataConfig(folds=3, fold=fold), seed=0)
        write_splits(file, found, root=ROOT)
    join_folds(files, tmp_path / "all.csv")
    with (tmp_path / "all.csv").open(newline="") as file:
        places = [row["split"] for row in csv.DictReader(file)]
    assert sorted(places) == ["fold0"] * 3 + ["fold1"] * 3 + ["fold2"] * 3
    with pytest.raises(DataError, match=r"3 cases .* not held out once"):
        join_folds(files[:2], tmp_path / "all.csv")


def test_a_file_of_an_earlier_version_is_compared_as_far_as_it_tells(
    tmp_path: Path,
) -> None:
    path, splits = tmp_path / "splits.csv", three()
    write_splits(path, splits, root=ROOT)
    lines = [line.rsplit(",", 2)[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines))
    check_splits(path, splits, root=ROOT)
    path.write_text("\n".join(lines[:-1]))
    with pytest.raises(DefectsError, match="is new now"):
        check_splits(path, splits, root=ROOT)
    path.write_text("case,split\na,train\n")
    with pytest.raises(DataError, match="no column patient"):
        check_splits(path, splits, root=ROOT)
