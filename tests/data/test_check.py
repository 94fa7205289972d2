"""Each defect is found and named, alone and beside all others; clean sets have none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segx.config import DataConfig
from segx.data.case import Task
from segx.data.check import CheckedData, check_data
from segx.data.defects import Code, DefectsError, Severity
from segx.data.layouts import read_layout
from segx.errors import DataError
from tests.data.clean import (
    LAYOUTS,
    Built,
    LayoutName,
    blob,
    clean,
    picture,
    write,
)
from tests.data.defective import FAULTS, Fault, every_fault


def look(built: Built) -> CheckedData:
    data = DataConfig.model_validate(built.finish())
    task: Task = "classification" if built.layout == "classes" else "segmentation"
    return check_data(data, task=task, seed=0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_clean_set_has_no_finding(tmp_path: Path, layout: LayoutName) -> None:
    checked = look(clean(tmp_path, layout))
    assert checked.findings == ()
    splits, survey = checked.refuse_defects()
    assert len(survey.extents) == sum(len(cases) for _, cases in splits.items())


def test_there_are_at_least_twenty_faults() -> None:
    assert len({fault.code for fault in FAULTS}) >= 20


@pytest.mark.parametrize(
    ("layout", "fault"),
    [pytest.param(*item, id=f"{item[0]}-{item[1].name}") for item in every_fault()],
)
def test_each_fault_is_found_alone(
    tmp_path: Path, layout: LayoutName, fault: Fault
) -> None:
    built = clean(tmp_path / "set", layout)
    built.add(fault.name)
    file = fault.make(built, fault.name)
    checked = look(built)
    assert {finding.code for finding in checked.findings} == {fault.code, *fault.also}
    assert file in {f.file for f in checked.findings if f.code is fault.code}
    if fault.code.severity is Severity.ERROR:
        with pytest.raises(DefectsError):
            checked.refuse_defects()
    else:
        checked.refuse_defects()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_faults_are_found_in_one_folder(tmp_path: Path, layout: LayoutName) -> None:
    built = clean(tmp_path / "set", layout)
    for number in range(30):
        built.add(f"sound{number}")
    expected = set()
    for fault in FAULTS:
        if layout in fault.layouts:
            built.add(fault.name)
            expected.add((fault.code, fault.make(built, fault.name)))
    found = {(finding.code, finding.file) for finding in look(built).findings}
    assert expected <= found
    sound = [file for _, file in found if file.name.startswith("sound")]
    assert sound == []


@settings(max_examples=10)
@given(names=st.sets(st.sampled_from([fault.name for fault in FAULTS]), max_size=6))
def test_no_fault_hides_another(
    names: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    built = clean(tmp_path_factory.mktemp("some") / "set", "splits")
    expected = set()
    for fault in FAULTS:
        if fault.name in names and "splits" in fault.layouts:
            built.add(fault.name)
            expected.add((fault.code, fault.make(built, fault.name)))
    assert expected <= {(item.code, item.file) for item in look(built).findings}


def test_findings_come_errors_first_and_each_kind_together(tmp_path: Path) -> None:
    built = clean(tmp_path, "folders")
    for fault in FAULTS:
        if "folders" in fault.layouts and fault.code is not Code.OUTSIDE_ROOT:
            built.add(fault.name)
            fault.make(built, fault.name)
    checked = look(built)
    order = [list(Code).index(finding.code) for finding in checked.findings]
    errors = len(checked.errors)
    assert checked.errors + checked.warnings == checked.findings
    assert order[:errors] == sorted(order[:errors])
    assert order[errors:] == sorted(order[errors:])


def test_a_layout_with_a_defect_is_refused_where_only_names_are_read(
    tmp_path: Path,
) -> None:
    built = clean(tmp_path, "folders")
    built.mask("train0").unlink()
    with pytest.raises(DefectsError, match="1 defect"):
        read_layout(DataConfig(root=tmp_path), task="segmentation")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"neighbours": 1}, "data.neighbours is 1"),
        ({"crop": None}, "differ in size"),
        ({"crop": None, "batch_size": 1}, None),
        ({"crop": None, "resize": 32}, None),
    ],
)
def test_what_a_fit_would_refuse_is_found_before(
    tmp_path: Path, keys: dict[str, object], told: str | None
) -> None:
    built = clean(tmp_path, "folders")
    for number in range(3):
        stem = f"train{number}"
        write(built.image(stem), picture(950 + number)[:-8, :-8])
        write(built.mask(stem), blob(950 + number)[:-8, :-8])
    data = DataConfig.model_validate({**built.finish(), **keys})
    errors = check_data(data, task="segmentation", seed=0).errors
    assert [item.code for item in errors] == ([Code.UNMET] if told else [])
    assert told is None or told in str(errors[0])


def test_volumes_that_no_class_can_be_told_of_are_found(tmp_path: Path) -> None:
    for number, name in enumerate(["cat", "dog"] * 4):
        planes = np.stack([picture(10 * number + plane) for plane in range(3)])
        write(tmp_path / name / f"{number}.nii.gz", planes)
    data = DataConfig(root=tmp_path)
    errors = check_data(data, task="classification", seed=0).errors
    assert [item.code for item in errors] == [Code.UNMET]
    assert "classification takes single images" in str(errors[0])


def test_progress_counts_every_case(tmp_path: Path) -> None:
    built = clean(tmp_path, "folders")
    told: list[tuple[int, int]] = []
    data = DataConfig(root=built.root)
    check_data(
        data, task="segmentation", seed=0, progress=lambda *step: told.append(step)
    )
    assert told == [(number, 16) for number in range(1, 17)]


def test_one_case_can_not_be_split(tmp_path: Path) -> None:
    built = Built(tmp_path, "folders")
    built.add("only")
    codes = [finding.code for finding in look(built).errors]
    assert codes == [Code.BAD_SPLIT]


def test_no_data_set_is_an_error_of_its_own(tmp_path: Path) -> None:
    np.savez(tmp_path / "pictures.npz", np.zeros(3))
    with pytest.raises(DataError, match=r"holds no folders, but pictures\.npz"):
        check_data(DataConfig(root=tmp_path), task="classification", seed=0)


@pytest.mark.slow
def test_look_alikes_of_a_real_set_are_found(
    shared_data: Callable[[str], Path],
) -> None:
    data = DataConfig(root=shared_data("busi_classification"))
    warnings = check_data(data, task="classification", seed=0).findings
    leaks = {item.file.stem for item in warnings if item.code is Code.SIMILAR_LEAK}
    # Looked at by eye: each shows the lesion of a training image once more.
    assert leaks >= {"benign_275", "benign_290", "benign_35", "benign_65"}
    assert "malignant_5" in leaks


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["dsb2018_nuclei", "shenzhen_cxr_lung", "hippocampus3d", "isic_skin_fullres"],
)
def test_real_sets_without_oddities_raise_no_alarm(
    shared_data: Callable[[str], Path], name: str
) -> None:
    data = DataConfig(root=shared_data(name))
    assert check_data(data, task="segmentation", seed=0).findings == ()
