import contextlib
import io
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segx.errors import ScanError, SegxError
from segx.geometry import Region
from segx.labels import Labels
from segx.scans.files import (
    IMAGE_SUFFIXES,
    create_mask,
    mask_files,
    open_scan,
    scan_files,
)
from segx.scans.memory import ArrayScan
from tests.scans.pictures import colour, write_every_format

_BINARY = Labels("binary", ("background", "cell"))


@pytest.fixture(scope="module")
def every_format(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_every_format(tmp_path_factory.mktemp("formats"))


def test_every_format_gives_rows_cols_channels(every_format: dict[str, Path]) -> None:
    for kind, path in every_format.items():
        with open_scan(path) as scan:
            assert scan.read_all().shape[2] == 3, kind


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_file_cut_short_is_refused_and_named(
    every_format: dict[str, Path], tmp_path: Path, share: float
) -> None:
    for kind, path in every_format.items():
        whole = path.read_bytes()
        cut = tmp_path / f"cut{''.join(path.suffixes)}"
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ScanError) as caught, open_scan(cut) as scan:
            scan.read_all()
        assert str(cut) in str(caught.value), kind


@pytest.mark.parametrize("seed", range(3))
def test_flipped_bytes_give_an_image_or_an_error_of_ours(
    every_format: dict[str, Path], tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    for path in every_format.values():
        for _ in range(10):
            data = bytearray(path.read_bytes())
            for _ in range(dice.choice((1, 1, 4))):
                reach = dice.choice((len(data), min(len(data), 300)))
                data[dice.randrange(reach)] = dice.randrange(256)
            damaged = tmp_path / f"damaged{''.join(path.suffixes)}"
            damaged.write_bytes(data)
            _read_or_refuse(damaged)


def _read_or_refuse(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd EXIF data
        with contextlib.suppress(SegxError), open_scan(path) as scan:
            for level, extent in enumerate(scan.levels):
                whole, last = Region.whole(extent), scan.planes - 1
                shape = scan.read(whole, plane=last, level=level).shape
                assert shape == (extent.rows, extent.cols, scan.channels)


def test_suffixes_are_read_in_any_case(tmp_path: Path) -> None:
    Image.fromarray(colour()).save(tmp_path / "A.PNG")
    with open_scan(tmp_path / "A.PNG") as scan:
        assert scan.channels == 3


def test_unknown_suffixes_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    for suffix in IMAGE_SUFFIXES:
        assert suffix == suffix.lower()
    with pytest.raises(ScanError, match=r"\.docx is not one of \.png, \.jpg"):
        open_scan(tmp_path / "a.docx")
    with pytest.raises(ScanError, match=r"\.jpg is not one of \.png, \.tif, \.tiff"):
        create_mask(
            tmp_path / "a.jpg", like=ArrayScan(np.zeros((2, 2))), labels=_BINARY
        )


def test_folders_are_listed_sorted_once_and_without_strangers(tmp_path: Path) -> None:
    for name in ("b.png", "a.TIF", ".hidden.png", "notes.txt", "c.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = scan_files([tmp_path / "c.jpg", tmp_path])
    assert [path.name for path in found] == ["c.jpg", "a.TIF", "b.png"]


def test_folders_of_folders_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.ome.zarr").mkdir()
    (tmp_path / "folder.svs").mkdir()
    for name in ("b.OME.TIF", "c.svs", "file.zarr"):
        (tmp_path / name).touch()
    found = [path.name for path in scan_files([tmp_path])]
    assert found == ["a.ome.zarr", "b.OME.TIF", "c.svs"]


def test_paths_that_name_no_image_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ScanError, match="There is no file"):
        scan_files([tmp_path / "missing.png"])
    with pytest.raises(ScanError, match=r"\.txt is not one of"):
        scan_files([tmp_path / "notes.txt"])
    with pytest.raises(ScanError, match="holds 1 files and folders, but no image"):
        scan_files([tmp_path])


def test_the_files_that_are_announced_are_the_files_that_are_made(
    tmp_path: Path,
) -> None:
    scan = ArrayScan(np.zeros((2, 3), np.uint8))
    many = Labels("multilabel", ("a", "b/c"))
    for labels in (_BINARY, many):
        for suffix in (".png", ".tif"):
            path = tmp_path / labels.kind / f"m{suffix}"
            shape = (2, 3, 2) if labels is many else (2, 3)
            with create_mask(path, like=scan, labels=labels) as sink:
                sink.write(Region.whole(scan.extent), np.ones(shape, np.uint8))
            assert all(file.is_file() for file in mask_files(path, labels))
    assert len(list(tmp_path.rglob("*.*"))) == 5


def test_real_pictures_are_read_and_broken_ones_refused(
    shared_data: Callable[[str], Path],
) -> None:
    formats = shared_data("formats")
    refused = {"unopenable.tiff", "unreadable.svs"}
    paths = [
        *formats.rglob("*.tif*"),
        *formats.rglob("*.png"),
        *formats.rglob("*.svs"),
        *sorted(shared_data("drive").rglob("*.tif"))[:3],
        *sorted(shared_data("isic_skin_fullres").rglob("*.jpg"))[:1],
    ]
    for path in paths:
        if path.suffix == ".svs":
            pytest.importorskip("openslide", reason="needs the extra wsi")
        if path.name in refused:
            with pytest.raises(ScanError, match=path.name):
                _read_at_every_level(path)
        else:
            _read_at_every_level(path)


def _read_at_every_level(path: Path) -> None:
    """A region of each plane and level is a cut from the whole."""
    with open_scan(path) as scan:
        for level, extent in enumerate(scan.levels):
            rows = max(1, extent.rows // 2)
            middle = Region(extent.rows // 3, extent.cols // 3, rows, 5)
            for plane in range(scan.planes):
                whole = scan.read(Region.whole(extent), plane=plane, level=level)
                part = scan.read(middle, plane=plane, level=level)
                assert np.array_equal(part, whole[middle.slices])


def test_dicom_files_that_are_no_images_do_not_hide_pictures(tmp_path: Path) -> None:
    pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")
    from tests.scans.dicoms import stored, write_series

    series = write_series(tmp_path / "s", stored((1, 8, 8), dtype="u2", bits=12))
    (other,) = series.iterdir()
    content = pydicom_as_report(other)
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "report.dcm").write_bytes(content)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(folder / "a.png")
    assert scan_files([folder]) == [folder / "a.png"]


def pydicom_as_report(path: Path) -> bytes:
    """A DICOM file of the kind that holds a document, made of an image."""
    import pydicom
    from pydicom.uid import EncapsulatedPDFStorage

    data = pydicom.dcmread(path)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    for name in ("PixelData", "Rows", "Columns", "BitsAllocated", "SamplesPerPixel"):
        delattr(data, name)
    stream = io.BytesIO()
    data.save_as(stream)
    return stream.getvalue()
