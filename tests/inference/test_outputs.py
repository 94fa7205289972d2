from pathlib import Path

import pytest

from segx.errors import ConfigError, ScanError
from segx.inference.outputs import OutputPlan, plan_outputs, prepare_folder
from tests.inference.stubs import BINARY, LAYERS

_OUT = Path("out")


@pytest.mark.parametrize(
    ("source", "mask"),
    [
        ("a.png", "a.png"),
        ("a.JPG", "a.png"),
        ("a.bmp", "a.png"),
        ("a.tif", "a.tif"),
        ("deep/a.b.TIFF", "a.b.tiff"),
        ("a.b.NII.GZ", "a.b.nii.gz"),
        ("a.nii", "a.nii"),
        ("a.nrrd", "a.nrrd"),
        ("a.nhdr", "a.nrrd"),
        ("a.mha", "a.mha"),
        ("a.mhd", "a.mha"),
        ("a.ome.tif", "a.ome.tif"),
        ("a.b.OME.TIFF", "a.b.ome.tiff"),
        ("a.svs", "a.ome.tif"),
        ("a.b.ndpi", "a.b.ome.tif"),
        ("a.zarr", "a.ome.zarr"),
        ("a.ome.zarr", "a.ome.zarr"),
    ],
)
def test_outputs_are_named_after_the_scan(source: str, mask: str) -> None:
    plan = OutputPlan.of(Path(source), _OUT)
    assert plan.mask == _OUT / mask
    stem = Path(mask.removesuffix(".gz")).stem.removesuffix(".ome")
    assert plan.overlay == _OUT / f"{stem}_overlay.png"


def test_masks_of_dicom_are_dicom_and_named_after_the_folder_or_file(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "1.2.840.7"
    folder.mkdir()
    names = {"slice.IMA": "slice", "IM-0001": "IM-0001", "1.2.3": "1.2.3"}
    for name in names:
        (folder / name).write_bytes(bytes(128) + b"DICM")
    assert OutputPlan.of(folder, _OUT).mask == _OUT / "1.2.840.7.dcm"
    for name, stem in names.items():
        plan = OutputPlan.of(folder / name, _OUT)
        assert plan == OutputPlan(_OUT / f"{stem}.dcm", stem)


@pytest.mark.parametrize(
    "sources",
    [
        ["x/a.png", "y/a.png"],
        ["a.jpg", "a.png"],
        ["a.png", "A.png"],
        ["a.png", "a.tif"],
        ["a.nii.gz", "a.png"],
        ["a.png", "a_overlay.png"],
        ["out/a.png"],
    ],
)
def test_files_that_would_be_written_over_each_other_are_refused(
    sources: list[str],
) -> None:
    with pytest.raises(ScanError, match="would"):
        plan_outputs(map(Path, sources), _OUT, labels=BINARY)


def test_all_clashes_are_listed() -> None:
    sources = [Path(name) for name in ("x/a.png", "y/a.png", "x/b.png", "y/b.png")]
    with pytest.raises(ScanError) as caught:
        plan_outputs(sources, _OUT, labels=BINARY)
    message = str(caught.value)
    assert str(sources[1]) in message
    assert str(sources[3]) in message


def test_the_files_of_layers_are_looked_at_too() -> None:
    sources = [_OUT / "a.red.png", Path("b.png")]
    plan_outputs([Path("x/a.png")], _OUT, labels=LAYERS)
    with pytest.raises(ScanError, match="written over"):
        plan_outputs([*sources, Path("x/a.png")], _OUT, labels=LAYERS)


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    assert prepare_folder(tmp_path / "new" / "out").is_dir()
    assert not list((tmp_path / "new" / "out").iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file can't be written"):
        prepare_folder(tmp_path / "file")
