from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.config import DataConfig
from segx.data.case import Layout
from segx.data.defects import DefectsError
from segx.data.manifest import read_manifest
from segx.errors import DataError
from tests.data.sets import disc, picture, save, write_pairs

Task = Literal["segmentation", "classification"]


def read(
    folder: Path,
    lines: Sequence[str],
    task: Task = "segmentation",
    **keys: object,
) -> Layout:
    manifest = folder / "list.csv"
    manifest.write_text("\n".join(lines))
    config = DataConfig.model_validate({"manifest": manifest, **keys})
    return read_manifest(config, task=task)


def problems(folder: Path, lines: Sequence[str], **keys: object) -> str:
    with pytest.raises(DefectsError) as caught:
        read(folder, lines, **keys).refuse_defects()  # type: ignore[arg-type]
    return str(caught.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_pairs(tmp_path, ["a", "b"])


@pytest.mark.parametrize(
    "lines",
    [
        ["image,mask", "images/a.png,masks/a.png", "images/b.png,masks/b.png"],
        ["image,mask", "a,a", "b,b"],
        ["image,mask", "a.png,a.png", "b.png,b"],
        ["image", "a", "b"],
        ["image", "images/a.png", "b"],
    ],
)
def test_paths_names_and_stems_mean_the_same(root: Path, lines: list[str]) -> None:
    layout = read(root, lines)
    assert [case.id for case in layout.cases] == ["a", "b"]
    assert [case.image for case in layout.cases] == [
        root / "images" / "a.png",
        root / "images" / "b.png",
    ]
    assert layout.cases[1].masks == (root / "masks" / "b.png",)


def test_every_column_can_have_another_name(root: Path) -> None:
    layout = read(
        root,
        ["file;truth;kind;person;part", "a;a;sick;p1;train", "b;b;well;p2;validation"],
        columns={
            "image": "file",
            "mask": "truth",
            "label": "kind",
            "patient": "person",
            "split": "part",
        },
    )
    first, second = layout.cases
    assert (first.label, first.patient, first.split) == (0, "p1", "train")
    assert (second.label, second.patient, second.split) == (1, "p2", "val")
    assert layout.class_names == ("sick", "well")


def test_a_column_called_as_usual_may_be_missing_however_it_was_named(
    root: Path,
) -> None:
    columns = DataConfig().columns.model_dump()  # as a stock config says them all
    layout = read(root, ["image,mask", "a,a", "b,b"], columns=columns)
    assert [case.patient for case in layout.cases] == [None, None]
    with pytest.raises(DataError, match="has no column 'person'"):
        read(root, ["image,mask", "a,a"], columns={**columns, "patient": "person"})


def test_paths_may_be_relative_to_the_manifest_or_to_the_root(root: Path) -> None:
    lists = root / "lists"
    lists.mkdir()
    save(lists / "c.png", picture())
    save(lists / "c_mask.png", disc())
    layout = read(
        lists, ["image,mask", "images/a.png,masks/a.png", "c.png,c_mask.png"], root=root
    )
    assert [case.id for case in layout.cases] == ["a", "c"]


def test_a_manifest_is_also_found_below_the_root(root: Path) -> None:
    (root / "list.csv").write_text("image\na\n")
    config = DataConfig(root=root, manifest=Path("list.csv"))
    assert len(read_manifest(config, task="segmentation").cases) == 1
    with pytest.raises(DataError, match="There is no manifest"):
        read_manifest(
            DataConfig(root=root, manifest=Path("x.csv")), task="segmentation"
        )


def test_stems_are_found_in_the_folders_of_the_splits(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train", ["1", "2"])
    write_pairs(tmp_path / "test", ["1"])
    lines = ["image,split", "1,train", "2,train", "1,test"]
    layout = read(tmp_path, lines)
    assert {(case.id, case.split) for case in layout.cases} == {
        ("train-1", "train"),
        ("2", "train"),
        ("test-1", "test"),
    }
    assert "Give the path" in problems(tmp_path, ["image", "1", "2"])


def test_all_bad_rows_are_listed_with_their_lines(root: Path) -> None:
    text = problems(
        root,
        [
            "image,mask,split",
            "a,a,train",
            "ghost,a,train",
            "b,ghost,train",
            "b,b,tset",
            ",b,train",
            "b,,train",
        ],
    )
    for line in (3, 4, 5, 6, 7):
        assert f"line {line} " in text


def test_nothing_leads_out_of_the_root(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "root", ["a"])
    secret = save(tmp_path / "secret.png", picture())
    (root / "images" / "link.png").symlink_to(secret)
    lines = ["image,mask", "../secret.png,a", f"{secret},a", "images/link.png,a"]
    text = problems(root, lines)
    assert text.count("leads out of the data set") == 3


def test_a_file_that_is_no_image_is_refused(root: Path) -> None:
    (root / "notes.txt").write_text("x")
    assert "which is no image" in problems(root, ["image,mask", "notes.txt,a"])


def test_an_image_listed_twice_is_refused(root: Path) -> None:
    text = problems(root, ["image", "a", "images/a.png"])
    assert "line 3 names" in text
    assert "as does line 2" in text


def test_splits_for_some_rows_only_are_refused(root: Path) -> None:
    text = problems(root, ["image,split", "a,train", "b,"])
    assert "none for 1 line, the first of them line 3" in text


def test_several_mask_columns_are_planes(root: Path) -> None:
    for name in ("x", "y"):
        save(root / name / "a.png", disc())
    lines = ["image,one,two", "a,x/a.png,y/a.png"]
    layout = read(root, lines, columns={"mask": ("one", "two")})
    assert layout.plane_names == ("one", "two")
    assert [path.parent.name for path in layout.cases[0].masks] == ["x", "y"]
    named = read(root, lines, columns={"mask": ("one", "two")}, classes=("cup", "rim"))
    assert named.plane_names == ("cup", "rim")
    with pytest.raises(DataError, match="Name one class for each column"):
        read(root, lines, columns={"mask": ("one", "two")}, classes=("cup",))


@pytest.mark.parametrize(
    ("kind", "mask"), [("multilabel", "mask"), ("binary", ("mask", "split"))]
)
def test_the_mask_kind_must_fit_the_columns(
    root: Path, kind: str, mask: str | tuple[str, ...]
) -> None:
    with pytest.raises(DataError, match="mask_kind"):
        read(root, ["image,mask,split"], columns={"mask": mask}, mask_kind=kind)


def test_a_column_that_is_named_must_be_there(root: Path) -> None:
    with pytest.raises(DataError, match="Did you mean patient_id"):
        read(root, ["image,patient_id", "a,1"], columns={"patient": "patientid"})
    with pytest.raises(DataError, match="no column 'label'"):
        read(root, ["image", "a"], task="classification")


def test_number_labels_are_ordered_as_numbers(tmp_path: Path) -> None:
    for number in (2, 10, 9):
        save(tmp_path / f"{number}.png", picture(seed=number))
    lines = ["image,label", "2.png,2", "10.png,10", "9.png,9"]
    layout = read(tmp_path, lines, task="classification")
    assert layout.class_names == ("2", "9", "10")
    assert {case.id: case.label for case in layout.cases} == {"2": 0, "9": 1, "10": 2}


def test_numbers_that_are_written_in_two_ways_are_listed(tmp_path: Path) -> None:
    for stem in ("a", "b", "c"):
        save(tmp_path / f"{stem}.png", picture())
    lines = ["image,label", "a.png,1", "b.png,01", "c.png,2"]
    layout = read(tmp_path, lines, task="classification")
    assert layout.class_names == ("01", "1", "2")
    with pytest.raises(DefectsError, match="some are the same number"):
        layout.refuse_defects()


def test_classes_order_labels_or_name_their_numbers(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        save(tmp_path / f"{stem}.png", picture())
    words = ["image,label", "a.png,sick", "b.png,well"]
    numbers = ["image,label", "a.png,1", "b.png,0"]
    for lines in (words, numbers):
        layout = read(tmp_path, lines, "classification", classes=("well", "sick"))
        assert layout.class_names == ("well", "sick")
        assert [case.label for case in layout.cases] == [1, 0]
    with pytest.raises(DefectsError, match="or number them 0 to 1"):
        read(
            tmp_path, words, "classification", classes=("well", "ill")
        ).refuse_defects()


def test_an_empty_label_and_an_empty_list_are_refused(root: Path) -> None:
    assert "nothing in the column 'label'" in problems(root, ["image,label", "a,"])
    assert "lists no image" in problems(root, ["image"])


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_cells_are_a_layout_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    manifest = folder / "list.csv"
    text = "\n".join(["image,mask", *(f"{cell},{cell}" for cell in cells)])
    manifest.write_text(text, encoding="utf-8", errors="ignore")
    with pytest.raises(DataError):
        read_manifest(
            DataConfig(manifest=manifest), task="segmentation"
        ).refuse_defects()


def test_a_name_too_long_for_a_file_is_not_found(root: Path) -> None:
    assert "which is not there" in problems(root, ["image", "x" * 5000])


def test_a_folder_is_not_said_to_be_missing(root: Path) -> None:
    (root / "slide.zarr").mkdir()
    told = problems(root, ["image,mask", "slide.zarr,a"])
    assert "names 'slide.zarr', which is a folder" in told
