import contextlib
import logging
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

pydicom = pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")

import imagecodecs  # noqa: E402 — after the extra was looked for
from pydicom import dcmread, uid  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402

from segx.errors import MissingExtraError, ScanError  # noqa: E402
from segx.geometry import Region  # noqa: E402
from segx.scans.dicom import DicomScan, is_dicom  # noqa: E402
from segx.scans.files import open_scan, scan_files  # noqa: E402
from tests.scans.dicoms import CT, stored, write_dicom, write_series  # noqa: E402

_REAL = ("dicom_series_brainmr_t1post", "dicom_series_hippocrop")


def read(path: Path, **options: Any) -> np.ndarray:
    """All planes, (planes, rows, cols, channels)."""
    with DicomScan(path, **options) as scan:
        planes = [scan.read_all(plane=plane) for plane in range(scan.planes)]
        assert {plane.dtype for plane in planes} == {scan.dtype}
    return np.stack(planes)


@st.composite
def orientations(draw: st.DrawFn) -> tuple[float, ...]:
    """Two unit vectors at right angles, anywhere."""
    seed = draw(st.integers(0, 2**32 - 1))
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return (*basis[:, 0].tolist(), *basis[:, 1].tolist())


@settings(max_examples=30)
@given(
    dtype=st.sampled_from(["u1", "i1", "u2", "i2"]),
    unused=st.integers(0, 7),
    slope=st.sampled_from([1, 2, -1, 0.5, 1.5e-3]),
    intercept=st.sampled_from([0, -1024, 0.25]),
    planes=st.integers(1, 4),
    orientation=orientations(),
    data=st.data(),
)
def test_a_series_gives_the_meaning_of_its_values_in_geometric_order(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    unused: int,
    slope: float,
    intercept: float,
    planes: int,
    orientation: tuple[float, ...],
    data: st.DataObject,
) -> None:
    bits = 8 * np.dtype(dtype).itemsize - unused
    volume = stored((planes, 5, 7), dtype=dtype, bits=bits)
    names = data.draw(st.permutations([f"{i}.dcm" for i in range(planes)]))
    folder = write_series(
        tmp_path_factory.mktemp("series"),
        volume,
        names=list(names),
        orientation=orientation,
        BitsStored=bits,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
    )
    with DicomScan(folder) as scan:
        values = np.stack([scan.read_all(plane=i)[..., 0] for i in range(planes)])
        space = scan.space
    expected = volume * float(slope) + float(intercept)
    is_whole = float(slope).is_integer() and float(intercept).is_integer()
    assert (values.dtype.kind == "f") != is_whole
    assert np.array_equal(values, expected.astype(values.dtype))
    if is_whole:
        assert np.array_equal(values, expected), "nothing wraps round"
    assert space is not None
    right, down = np.array(orientation[:3]), np.array(orientation[3:])
    axes = [np.cross(right, down), down, right]
    assert np.allclose(space.directions, axes, atol=1e-6)
    assert np.allclose(space.origin_mm, (-10, 20, 30), atol=1e-6)
    steps = (2.5 if planes > 1 else 99, 0.5, 0.75)
    assert np.allclose(space.spacing_mm, steps, atol=1e-5)


@pytest.mark.parametrize("name", _REAL)
def test_real_series_agree_with_gdcm(
    shared_data: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    sitk = pytest.importorskip("SimpleITK", reason="an independent reader")
    folder = shared_data("formats") / name
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    files = sorted(folder.iterdir())
    names = [f"{index}" for index in range(len(files))]
    random.Random(0).shuffle(names)
    for file, other in zip(files, names, strict=True):
        shutil.copy(file, shuffled / other)
    for path in (folder, shuffled):
        assert np.array_equal(read(path)[..., 0], sitk.GetArrayFromImage(image))
        with DicomScan(path) as scan:
            space = scan.space
            assert scan.dtype == dcmread(files[0]).pixel_array.dtype
        assert space is not None
        assert np.allclose(space.spacing_mm[::-1], image.GetSpacing(), atol=1e-9)
        assert np.allclose(space.origin_mm, image.GetOrigin(), atol=1e-9)
        columns = np.array(image.GetDirection()).reshape(3, 3).T
        assert np.allclose(space.directions[::-1], columns, atol=1e-9)


@pytest.mark.parametrize("name", _REAL)
def test_each_plane_is_the_file_that_pydicom_reads(
    shared_data: Callable[[str], Path], name: str
) -> None:
    with DicomScan(shared_data("formats") / name) as scan:
        for plane, header in enumerate(scan.headers):
            whole = dcmread(header.filename)
            assert np.array_equal(scan.read_all(plane=plane)[..., 0], whole.pixel_array)


def test_whole_slides_in_dicom_are_refused(shared_data: Callable[[str], Path]) -> None:
    for path in (shared_data("formats") / "wsi_openslide_fixtures").glob("*.dcm"):
        with pytest.raises(ScanError, match=r"VL Whole Slide.*convert a whole slide"):
            DicomScan(path)


def test_a_region_is_a_part_of_its_plane(tmp_path: Path) -> None:
    volume = stored((3, 9, 8))
    with DicomScan(write_series(tmp_path, volume)) as scan:
        part = scan.read(Region(2, 3, 4, 5), plane=1)
    assert np.array_equal(part[..., 0], volume[1, 2:6, 3:8])
    with pytest.raises(ScanError, match="was closed"):
        scan.read_all()


@pytest.mark.parametrize(
    "syntax",
    [
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
    ],
)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4"])
def test_every_plain_encoding_is_read(
    tmp_path: Path, syntax: uid.UID, dtype: str
) -> None:
    pixels = stored((5, 7), dtype=dtype)
    path = write_dicom(tmp_path / "a.dcm", pixels, syntax=syntax)
    assert np.array_equal(read(path)[0, ..., 0], pixels)


def _compressed(syntax: uid.UID, pixels: np.ndarray, bits: int) -> bytes:
    if syntax in (uid.JPEGLossless, uid.JPEGLosslessSV1):
        return imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=bits)
    if syntax == uid.JPEGExtended12Bit:
        return imagecodecs.jpeg8_encode(pixels, level=100, bitspersample=bits)
    if syntax == uid.JPEGBaseline8Bit:
        return imagecodecs.jpeg8_encode(pixels, level=100)
    if syntax in (uid.JPEGLSLossless, uid.JPEGLSNearLossless):
        return imagecodecs.jpegls_encode(pixels)
    return imagecodecs.jpeg2k_encode(
        pixels, reversible=True, level=0, codecformat="J2K", bitspersample=bits
    )


@pytest.mark.parametrize(
    ("syntax", "bits", "error"),
    [
        (uid.JPEGBaseline8Bit, 8, 2),
        (uid.JPEGExtended12Bit, 12, 8),
        (uid.JPEGLossless, 12, 0),
        (uid.JPEGLosslessSV1, 16, 0),
        (uid.JPEGLSLossless, 16, 0),
        (uid.JPEG2000Lossless, 16, 0),
        (uid.HTJ2KLossless, 16, 0),
    ],
)
def test_compressed_frames_are_decoded(
    tmp_path: Path, syntax: uid.UID, bits: int, error: int
) -> None:
    pixels = stored((2, 16, 24), dtype="u1" if bits == 8 else "u2", bits=bits)
    data = encapsulate([_compressed(syntax, frame, bits) for frame in pixels])
    path = write_dicom(
        tmp_path / "a.dcm", pixels, syntax=syntax, BitsStored=bits, PixelData=data
    )
    found = read(path)[..., 0].astype(int)
    assert np.abs(found - pixels).max() <= error
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - len(data) // 3])
    with pytest.raises(ScanError, match=r"a\.dcm"):
        read(path)


def test_signed_values_survive_lossless_jpeg(tmp_path: Path) -> None:
    pixels = stored((16, 24), bits=12)
    bits = (pixels & 0xFFF).astype(np.uint16)
    for syntax in (uid.JPEGLosslessSV1, uid.JPEGLSLossless):
        data = encapsulate([_compressed(syntax, bits, 12)])
        path = write_dicom(
            tmp_path / "a.dcm", pixels, syntax=syntax, BitsStored=12, PixelData=data
        )
        assert np.array_equal(read(path)[0, ..., 0], pixels)


def test_run_lengths_are_decoded(tmp_path: Path) -> None:
    pixels = stored((5, 7))
    path = write_dicom(tmp_path / "a.dcm", pixels)
    dataset = dcmread(path)
    dataset.compress(uid.RLELossless)
    dataset.save_as(path)
    assert np.array_equal(read(path)[0, ..., 0], pixels)


@given(st.sampled_from(["u1", "i1", "u2", "i2"]), st.integers(0, 6))
@settings(max_examples=15)
def test_where_white_is_low_what_is_read_is_what_is_seen(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, unused: int
) -> None:
    bits = 8 * np.dtype(dtype).itemsize - unused
    pixels = stored((6, 8), dtype=dtype, bits=bits)
    folder = tmp_path_factory.mktemp("white")
    options = {"BitsStored": bits, "RescaleSlope": 2, "RescaleIntercept": 3}
    white = read(
        write_dicom(
            folder / "a.dcm",
            pixels,
            PhotometricInterpretation="MONOCHROME1",
            **options,
        )
    )
    black = read(write_dicom(folder / "b.dcm", pixels, **options))
    assert ((white + black) == white[0, 0, 0] + black[0, 0, 0]).all()
    assert (white.min(), white.max()) >= (black.min(), black.min())


def test_padding_is_black_where_white_is_low(tmp_path: Path) -> None:
    pixels = np.array([[0, 5, 4095, 7]], np.uint16)
    path = write_dicom(
        tmp_path / "a.dcm",
        pixels,
        BitsStored=12,
        PhotometricInterpretation="MONOCHROME1",
        PixelPaddingValue=0,
    )
    assert read(path).ravel().tolist() == [0, 4090, 0, 4088]


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_are_read_as_rgb(tmp_path: Path, planar: int) -> None:
    pixels = stored((5, 7, 3), dtype="u1")
    data = np.moveaxis(pixels, 2, 0).tobytes() if planar else pixels.tobytes()
    path = write_dicom(
        tmp_path / "a.dcm",
        pixels,
        PlanarConfiguration=planar,
        PixelData=data + b"\0" * (len(data) % 2),
    )
    assert np.array_equal(read(path)[0], pixels)
    grey = np.full((4, 6, 3), (90, 128, 128), np.uint8)
    ybr = write_dicom(tmp_path / "b.dcm", grey, PhotometricInterpretation="YBR_FULL")
    assert (read(ybr) == 90).all()


@pytest.mark.parametrize(
    ("syntax", "photometric"),
    [
        (uid.JPEGBaseline8Bit, "YBR_FULL_422"),
        (uid.JPEGBaseline8Bit, "YBR_FULL"),
        (uid.JPEG2000Lossless, "YBR_RCT"),
        (uid.JPEG2000Lossless, "RGB"),
    ],
)
def test_compressed_colours_are_read_as_rgb(
    tmp_path: Path, syntax: uid.UID, photometric: str
) -> None:
    rows, cols = np.ogrid[:32, :48]
    pixels = np.stack(np.broadcast_arrays(4 * rows, 5 * cols, 200), -1).astype("u1")
    options = {"subsampling": "422" if photometric.endswith("422") else "444"}
    if syntax == uid.JPEGBaseline8Bit:
        frame = imagecodecs.jpeg8_encode(pixels, level=100, **options)
    else:
        frame = imagecodecs.jpeg2k_encode(
            pixels,
            reversible=True,
            level=0,
            codecformat="J2K",
            mct=photometric == "YBR_RCT",
        )
    path = write_dicom(
        tmp_path / "a.dcm",
        pixels,
        syntax=syntax,
        PhotometricInterpretation=photometric,
        PixelData=encapsulate([frame]),
    )
    error = np.abs(read(path)[0].astype(int) - pixels)
    assert error.max() <= (6 if syntax == uid.JPEGBaseline8Bit else 0)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_becomes_colours_or_as_a_mask_its_indices(
    tmp_path: Path, bits: int
) -> None:
    pixels = np.array([[0, 1, 2, 9]], np.uint8)
    palette = np.array([[10, 0, 1], [20, 0, 2], [30, 99, 3], [40, 0, 4]])
    names = ("Red", "Green", "Blue")
    wide = palette.astype("u1") if bits == 8 else (palette * 257).astype("<u2")
    tables: dict[str, Any] = {}
    for index, name in enumerate(names):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [4, 0, bits]
        tables[f"{name}PaletteColorLookupTableData"] = wide[:, index].tobytes()
    path = write_dicom(
        tmp_path / "a.dcm", pixels, PhotometricInterpretation="PALETTE COLOR", **tables
    )
    assert read(path)[0, 0].tolist() == palette[[0, 1, 2, 3]].tolist()
    assert np.array_equal(read(path, as_mask=True)[0, ..., 0], pixels)


def _enhanced(order: list[int]) -> dict[str, Any]:
    """Functional groups of planes 3 mm apart, in any order, with a slope each."""
    shared, measures, turned = (pydicom.Dataset() for _ in range(3))
    measures.PixelSpacing = [0.5, 0.75]
    turned.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]  # sagittal: normal is -x
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [turned]
    groups = []
    for place in order:
        group, position, meaning = (pydicom.Dataset() for _ in range(3))
        position.ImagePositionPatient = [-3.0 * place, 1, 2]
        meaning.RescaleSlope, meaning.RescaleIntercept = place + 1, -place
        group.PlanePositionSequence = [position]
        group.PixelValueTransformationSequence = [meaning]
        groups.append(group)
    return {
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": groups,
    }


def test_frames_of_an_enhanced_file_are_planes_in_order(tmp_path: Path) -> None:
    order = [2, 0, 3, 1]
    pixels = stored((4, 5, 7), bits=10)
    path = write_dicom(
        tmp_path / "a.dcm", pixels, kind=uid.EnhancedMRImageStorage, **_enhanced(order)
    )
    with DicomScan(path) as scan:
        assert scan.space is not None
        assert scan.space.spacing_mm == (3, 0.5, 0.75)
        assert scan.space.origin_mm == (0, 1, 2)
        for plane in range(4):
            frame = pixels[order.index(plane)].astype(int)
            assert np.array_equal(
                scan.read_all(plane=plane)[..., 0], frame * (plane + 1) - plane
            )


def test_frames_without_positions_keep_their_order(tmp_path: Path) -> None:
    pixels = stored((4, 5, 7), dtype="u1")
    path = write_dicom(tmp_path / "a.dcm", pixels, PixelSpacing=[0.2, 0.3])
    assert np.array_equal(read(path)[..., 0], pixels)
    with DicomScan(path) as scan:
        assert (scan.space, scan.spacing_mm) == (None, (0.2, 0.3))


def test_without_positions_instance_numbers_order_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    volume = stored((3, 5, 7))
    folder = write_series(tmp_path / "a", volume, ImagePositionPatient=None)
    with caplog.at_level(logging.WARNING, logger="segx"):
        assert np.array_equal(read(folder)[..., 0], volume[::-1])
    assert "order of their instance numbers" in caplog.text
    doubled = write_series(
        tmp_path / "b", volume, ImagePositionPatient=None, InstanceNumber=1
    )
    with pytest.raises(ScanError, match="order is unknown"):
        DicomScan(doubled)


def test_planes_that_are_missing_or_doubled_are_named(tmp_path: Path) -> None:
    folder = write_series(tmp_path, stored((6, 5, 7)))
    (folder / "3.dcm").rename(folder / "gone")
    (folder / "gone").rename(tmp_path.parent / "gone")
    with pytest.raises(
        ScanError, match=r"2\.dcm and 4\.dcm are 5 mm apart, other.*2\.5"
    ):
        DicomScan(folder)
    shutil.copy(tmp_path.parent / "gone", folder / "3.dcm")
    shutil.copy(tmp_path.parent / "gone", folder / "x.dcm")
    with pytest.raises(ScanError, match=r"3\.dcm and x\.dcm lie at one place"):
        DicomScan(folder)


@pytest.mark.parametrize(
    ("what", "attributes"),
    [
        ("orientation", {"ImageOrientationPatient": [0, 1, 0, 0, 0, 1]}),
        ("pixel size", {"PixelSpacing": [1, 1]}),
        ("frame of reference", {"FrameOfReferenceUID": "1.2"}),
        ("colours", {"PhotometricInterpretation": "MONOCHROME1"}),
    ],
)
def test_images_that_differ_are_named(
    tmp_path: Path, what: str, attributes: dict[str, Any]
) -> None:
    folder = write_series(tmp_path / "a", stored((3, 5, 7)))
    other = write_series(tmp_path / "b", stored((1, 5, 7)), **attributes)
    (other / "0.dcm").rename(folder / "odd.dcm")
    with pytest.raises(ScanError, match=rf"different {what}.*0\.dcm has.*odd\.dcm has"):
        DicomScan(folder)


def test_images_of_different_size_are_named(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "a", stored((3, 5, 7)))
    other = write_series(tmp_path / "b", stored((1, 6, 7)))
    (other / "0.dcm").rename(folder / "odd.dcm")
    with pytest.raises(ScanError, match=r"different size: 0\.dcm has 5x7, odd.*6x7"):
        DicomScan(folder)


def test_a_tilted_gantry_is_refused(tmp_path: Path) -> None:
    for index in range(4):
        write_series(
            tmp_path,
            stored((1, 5, 7)),
            names=[f"{index}.dcm"],
            origin=(0, index, 2.5 * index),
        )
    with pytest.raises(ScanError, match="shifted sideways by 3 mm"):
        DicomScan(tmp_path)


def test_several_series_in_a_folder_are_listed(tmp_path: Path) -> None:
    for number, (name, planes) in enumerate((("T1", 3), ("T2 post", 2))):
        write_series(
            tmp_path,
            stored((planes, 5, 7)),
            names=[f"{name}{i}.dcm" for i in range(planes)],
            SeriesInstanceUID=f"1.2.{number}",
            SeriesDescription=name,
        )
    expected = r"2 series: T1 \(MR, 3 files.*T2 post \(MR, 2 files"
    with pytest.raises(ScanError, match=expected):
        DicomScan(tmp_path)


def test_a_folder_with_a_damaged_slice_fails_alone(tmp_path: Path) -> None:
    series = [write_series(tmp_path / name, stored((3, 5, 7))) for name in "ab"]
    damaged = series[0] / "1.dcm"
    damaged.write_bytes(b"no DICOM at all")
    assert scan_files([tmp_path]) == series
    with pytest.raises(ScanError, match=r"a/1\.dcm"):
        open_scan(series[0])


def test_strangers_in_a_folder_are_passed_over(tmp_path: Path) -> None:
    volume = stored((3, 5, 7))
    write_series(tmp_path, volume)
    (tmp_path / "LICENSE").write_text("no magic")
    (tmp_path / ".hidden.dcm").write_text("nothing")
    (tmp_path / "inner").mkdir()
    report = write_dicom(
        tmp_path / "report.dcm", stored((2, 2)), kind=uid.EncapsulatedPDFStorage
    )
    dataset = dcmread(report)
    for keyword in ("Rows", "Columns", "PixelData"):
        delattr(dataset, keyword)
    dataset.save_as(report)
    assert np.array_equal(read(tmp_path)[..., 0], volume)
    with pytest.raises(ScanError, match="Encapsulated PDF Storage"):
        DicomScan(report)


@pytest.mark.parametrize(
    "kind",
    [uid.SegmentationStorage, uid.MediaStorageDirectoryStorage, uid.RTDoseStorage],
)
def test_what_is_no_scan_is_called_by_its_kind(tmp_path: Path, kind: uid.UID) -> None:
    path = write_dicom(tmp_path / "a.dcm", stored((5, 7)), kind=kind)
    if kind == uid.MediaStorageDirectoryStorage:
        dataset = dcmread(path)
        for keyword in ("Rows", "Columns", "PixelData"):
            delattr(dataset, keyword)
        dataset.save_as(path)
    with pytest.raises(ScanError, match=f"a.dcm holds no scan.*{kind.name}"):
        DicomScan(path)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"PhotometricInterpretation": "HSV"}, "HSV colours. Allowed are MONOCHROME1"),
        ({"Rows": 60000, "Columns": 60000}, "3600 million pixels; 200 million"),
        ({"ModalityLUTSequence": [pydicom.Dataset()]}, "Modality LUT"),
        ({"PixelSpacing": [1]}, r"PixelSpacing of 1\.0; 2 finite numbers"),
        ({"RescaleSlope": [1, 2]}, "RescaleSlope of"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "right angles"),
        ({"NumberOfFrames": 9}, "cut short"),
    ],
)
def test_headers_that_would_mislead_are_refused(
    tmp_path: Path, attributes: dict[str, Any], message: str
) -> None:
    geometry = {
        "ImagePositionPatient": [0, 0, 0],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    }
    path = write_dicom(tmp_path / "a.dcm", stored((5, 7)), **(geometry | attributes))
    with pytest.raises(ScanError, match=message):
        DicomScan(path)


def test_deflated_files_are_refused_with_a_way_out(tmp_path: Path) -> None:
    path = write_dicom(
        tmp_path / "a.dcm", stored((5, 7)), syntax=uid.DeflatedExplicitVRLittleEndian
    )
    with pytest.raises(ScanError, match=r"Deflated.*Convert it to Explicit VR"):
        DicomScan(path)


@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")  # pydicom's, of UIDs
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_refused_on_opening(tmp_path: Path, share: float) -> None:
    folder = write_series(tmp_path, stored((3, 32, 32)))
    whole = (folder / "1.dcm").read_bytes()
    (folder / "1.dcm").write_bytes(whole[: int(len(whole) * share)])
    for path in (folder, folder / "1.dcm"):
        with pytest.raises(ScanError, match=r"1\.dcm"):
            DicomScan(path)


@pytest.mark.parametrize("length", [132, 140, 150])
def test_an_outer_slice_of_which_only_the_first_words_are_left_is_missed(
    length: int, tmp_path: Path
) -> None:
    """Without it the others would be evenly spaced, and pass for the whole series."""
    folder = write_series(tmp_path, stored((3, 32, 32)))
    whole = (folder / "2.dcm").read_bytes()
    (folder / "2.dcm").write_bytes(whole[:length])
    with pytest.raises(ScanError, match=r"2\.dcm"):
        DicomScan(folder)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of odd values
def test_flipped_bytes_give_an_image_or_an_error_of_ours(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    whole = write_series(tmp_path / "s", stored((1, 8, 8)), kind=CT) / "0.dcm"
    data = whole.read_bytes()
    path = tmp_path / "a.dcm"
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(dice.choice((1, 1, 4))):
            damaged[dice.randrange(128, len(damaged))] = dice.randrange(256)
        path.write_bytes(damaged)
        with contextlib.suppress(ScanError):
            assert read(path).ndim == 4


def test_files_are_known_by_suffix_or_by_magic(tmp_path: Path) -> None:
    folder = write_series(
        tmp_path / "a", stored((3, 5, 7)), names=["IM-0001", "1.2.840.7", "c.IMA"]
    )
    assert is_dicom(folder)
    assert all(map(is_dicom, folder.iterdir()))
    for path in (folder, *folder.iterdir()):
        with open_scan(path) as scan:
            assert scan.planes == (3 if path == folder else 1)
    (tmp_path / "README").write_text("text")
    assert not is_dicom(tmp_path / "README")
    assert not is_dicom(tmp_path)
    with pytest.raises(ScanError, match="no DICOM image"):
        open_scan(tmp_path)


def test_a_folder_of_slices_is_one_scan_and_folders_of_folders_are_several(
    tmp_path: Path,
) -> None:
    series = [
        write_series(tmp_path / name, stored((3, 5, 7)))
        for name in ("patient 1/t1", "patient 1/t2", "patient 2/a/b")
    ]
    assert scan_files([series[0]]) == series[:1]
    assert scan_files([tmp_path]) == series
    assert scan_files([series[0] / "0.dcm"]) == [series[0] / "0.dcm"]


def test_radiographs_in_a_folder_are_a_scan_each(tmp_path: Path) -> None:
    paths = [
        write_dicom(
            tmp_path / f"{name}.dcm", stored((5, 7)), SeriesInstanceUID=f"1.2.{name}"
        )
        for name in range(3)
    ]
    assert scan_files([tmp_path]) == paths


def test_other_formats_do_without_pydicom() -> None:
    code = (
        "import segx.scans, sys; assert not {'pydicom', 'highdicom'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_pydicom_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_dicom(tmp_path / "a.dcm", stored((5, 7)))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[dicom\]"):
        open_scan(path)


def test_without_pydicom_other_scans_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "series").mkdir()
    write_dicom(tmp_path / "series" / "a.dcm", stored((5, 7)))
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "b.png")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    picture, series = scan_files([tmp_path])
    assert picture == tmp_path / "b.png"
    with pytest.raises(MissingExtraError, match=r"pip install .*\[dicom\]"):
        open_scan(series)
