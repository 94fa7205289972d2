import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

hd = pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")

from pydicom import Dataset, dcmread, uid  # noqa: E402 — after the extra was looked for

from segx.errors import MissingExtraError, ScanError  # noqa: E402
from segx.geometry import Region  # noqa: E402
from segx.labels import Labels  # noqa: E402
from segx.scans.dicom import DicomScan  # noqa: E402
from segx.scans.files import create_mask, open_scan  # noqa: E402
from segx.scans.memory import ArrayScan  # noqa: E402
from segx.scans.resolution import at_resolution  # noqa: E402
from segx.scans.scan import Scan  # noqa: E402
from tests.scans.dicoms import stored, write_dicom, write_series  # noqa: E402

BINARY = Labels("binary", ("background", "Läsion"))
CLASSES = Labels("multiclass", ("background", "liver", "tumour", "vessel"))
LAYERS = Labels("multilabel", ("a\\b", "b", "c"))
REAL = ("dicom_series_brainmr_t1post", "dicom_series_hippocrop")


def masks(scan: Scan, labels: Labels, seed: int = 0) -> np.ndarray:
    """A random mask, (planes, rows, cols[, classes])."""
    layers = (len(labels.names),) if labels.kind == "multilabel" else ()
    most = 2 if labels.kind == "multilabel" else len(labels.names)
    shape = (scan.planes, scan.extent.rows, scan.extent.cols, *layers)
    return np.random.default_rng(seed).integers(0, most, shape).astype(np.uint8)


def write(
    path: Path, scan: Scan, mask: np.ndarray, labels: Labels, *, band: int = 4
) -> bytes:
    with create_mask(path, like=scan, labels=labels) as sink:
        for plane in range(scan.planes):
            for top in range(0, scan.extent.rows, band):
                rows = min(band, scan.extent.rows - top)
                region = Region(top, 0, rows, scan.extent.cols)
                sink.write(region, mask[plane, top : top + rows], plane=plane)
    return path.read_bytes()


def segment(mask: np.ndarray, number: int, labels: Labels) -> np.ndarray:
    """The pixels of a segment, which are numbered from 1."""
    if labels.kind == "multilabel":
        return mask[..., number - 1] > 0
    return mask == number


def by_pydicom(path: Path) -> dict[tuple[str, int], np.ndarray]:
    """Frames by the image that they were made of and the number of their segment."""
    dataset = dcmread(path)
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    found = {}
    for frame, own in zip(
        frames, dataset.PerFrameFunctionalGroupsSequence, strict=True
    ):
        shared = dataset.SharedFunctionalGroupsSequence[0]
        holder = own if "SegmentIdentificationSequence" in own else shared
        number = holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        (source,) = own.DerivationImageSequence[0].SourceImageSequence
        found[source.ReferencedSOPInstanceUID, number] = frame
    return found


@settings(max_examples=12)
@given(
    labels=st.sampled_from([BINARY, CLASSES, LAYERS]),
    planes=st.integers(1, 4),
    cols=st.integers(4, 12),  # pydicom and highdicom misread frames of 2 bytes or less
    seed=st.integers(0, 99),
)
def test_two_readers_find_each_segment_where_it_was_put(
    tmp_path_factory: pytest.TempPathFactory,
    labels: Labels,
    planes: int,
    cols: int,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("seg")
    scan = DicomScan(
        write_series(
            folder / "series",
            stored((planes, 5, cols)),
            orientation=(0, 1, 0, 0, 0, -1),
        )
    )
    mask = masks(scan, labels, seed)
    mask[seed % planes] = 0
    write(folder / "m.dcm", scan, mask, labels)
    _check(folder / "m.dcm", scan, mask, labels)


@pytest.mark.parametrize(
    "name", ["dicom_series_brainmr_t1post", "dicom_series_hippocrop"]
)
@pytest.mark.parametrize("labels", [CLASSES, LAYERS], ids=lambda labels: labels.kind)
def test_masks_of_real_series_lie_where_their_images_do(
    shared_data: Callable[[str], Path], tmp_path: Path, name: str, labels: Labels
) -> None:
    scan = DicomScan(shared_data("formats") / name)
    mask = masks(scan, labels)
    mask[3] = 0
    write(tmp_path / "m.dcm", scan, mask, labels, band=50)
    _check(tmp_path / "m.dcm", scan, mask, labels)


def _check(path: Path, scan: DicomScan, mask: np.ndarray, labels: Labels) -> None:
    """Hold a file against the mask that it was written from."""
    images = [str(header.SOPInstanceUID) for header in scan.headers]
    numbers = range(1, len(labels.foreground) + 1)
    frames = by_pydicom(path)
    segmentation = hd.seg.segread(path)
    found = segmentation.get_pixels_by_source_instance(
        images, segment_numbers=list(numbers), assert_missing_frames_are_empty=True
    )
    for plane, image in enumerate(images):
        for number in numbers:
            expected = segment(mask[plane], number, labels)
            assert np.array_equal(found[plane, ..., number - 1], expected)
            frame = frames.get((image, number))
            if mask.any():
                assert (frame is None) == (not expected.any())
            assert np.array_equal(
                expected, np.zeros_like(expected) if frame is None else frame
            )
    dataset = dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    first = scan.headers[0]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    assert list(orientation) == list(first.ImageOrientationPatient)
    assert shared.PixelMeasuresSequence[0].PixelSpacing == first.PixelSpacing
    places = {str(h.SOPInstanceUID): list(h.ImagePositionPatient) for h in scan.headers}
    for own in dataset.PerFrameFunctionalGroupsSequence:
        (source,) = own.DerivationImageSequence[0].SourceImageSequence
        place = own.PlanePositionSequence[0].ImagePositionPatient
        assert list(place) == places[source.ReferencedSOPInstanceUID]
    assert dataset.FrameOfReferenceUID == first.FrameOfReferenceUID
    assert dataset.StudyInstanceUID == first.StudyInstanceUID


def read_back(path: Path) -> tuple[np.ndarray, Scan]:
    """Ids, (planes, rows, cols), and the scan that they were read from."""
    with open_scan(path, as_mask=True) as scan:
        planes = [scan.read_all(plane=plane)[..., 0] for plane in range(scan.planes)]
    return np.stack(planes), scan


@pytest.mark.parametrize("labels", [BINARY, CLASSES], ids=lambda it: it.kind)
def test_a_mask_is_read_back_as_ids_in_the_same_place(
    tmp_path: Path, labels: Labels
) -> None:
    series = write_series(
        tmp_path / "s", stored((5, 5, 7)), orientation=(0, 1, 0, 0.6, 0, -0.8)
    )
    images = DicomScan(series)
    mask = masks(images, labels)
    for empty in ([0, 4], [0, 1, 2, 4], range(5)):
        mask[list(empty)] = 0
        write(tmp_path / "m.dcm", images, mask, labels)
        found, scan = read_back(tmp_path / "m.dcm")
        assert np.array_equal(found, mask)
        assert scan.space is not None
        assert images.space is not None
        for name in ("spacing_mm", "origin_mm", "directions"):
            ours, theirs = getattr(scan.space, name), getattr(images.space, name)
            assert np.allclose(ours, theirs, atol=1e-6)
    with pytest.raises(ScanError, match="holds no scan"):
        open_scan(tmp_path / "m.dcm")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")  # pydicom's, of UIDs
def test_a_mask_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    images = DicomScan(write_series(tmp_path / "s", stored((3, 40, 50))))
    whole = write(tmp_path / "m.dcm", images, masks(images, CLASSES), CLASSES)
    (tmp_path / "m.dcm").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ScanError, match=r"m\.dcm"):
        read_back(tmp_path / "m.dcm")


def test_segments_that_overlap_are_not_taken_for_ids(tmp_path: Path) -> None:
    images = DicomScan(write_series(tmp_path / "s", stored((2, 5, 7))))
    write(tmp_path / "m.dcm", images, masks(images, LAYERS) | 1, LAYERS)
    with pytest.raises(ScanError, match="overlap in plane 0"):
        read_back(tmp_path / "m.dcm")


def test_segments_of_frames_are_not_aligned_by_guess(tmp_path: Path) -> None:
    images = DicomScan(_enhanced(tmp_path, [0, 1, 2]))
    write(tmp_path / "m.dcm", images, masks(images, CLASSES), CLASSES)
    with pytest.raises(ScanError, match="does not say of which single-frame image"):
        open_scan(tmp_path / "m.dcm", as_mask=True)


def test_segments_have_the_names_the_colours_and_the_algorithm(tmp_path: Path) -> None:
    scan = DicomScan(write_series(tmp_path / "s", stored((2, 5, 7))))
    for labels in (BINARY, CLASSES, LAYERS):
        write(tmp_path / "m.dcm", scan, masks(scan, labels), labels)
        dataset = hd.seg.segread(tmp_path / "m.dcm")
        assert dataset.PatientName == "Muster^Jörg"
        described = dataset.SegmentSequence
        names = [name.replace("\\", "/") for name in labels.foreground]
        assert [item.SegmentLabel for item in described] == names
        assert {item.SegmentAlgorithmName for item in described} == {"segx"}
        for item, colour in zip(described, labels.colours[-len(names) :], strict=True):
            lab = hd.color.CIELabColor.from_dicom_value(
                item.RecommendedDisplayCIELabValue
            )
            assert np.allclose(lab.to_rgb(), colour, atol=2)
        overlap = "YES" if labels is LAYERS else "NO"
        assert dataset.SegmentsOverlap == overlap


@pytest.mark.parametrize(
    "labels", [BINARY, CLASSES, LAYERS], ids=lambda item: item.kind
)
def test_an_empty_mask_is_a_valid_file(tmp_path: Path, labels: Labels) -> None:
    scan = DicomScan(write_series(tmp_path / "s", stored((3, 5, 7))))
    mask = np.zeros_like(masks(scan, labels))
    write(tmp_path / "m.dcm", scan, mask, labels)
    _check(tmp_path / "m.dcm", scan, mask, labels)


def test_the_same_mask_gives_the_same_bytes_and_another_another_identifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = write_series(tmp_path / "s", stored((3, 5, 7)))
    mask = masks(DicomScan(series), CLASSES)
    one = write(tmp_path / "1.dcm", DicomScan(series), mask, CLASSES)
    monkeypatch.setattr("time.time", lambda: 1e9)
    two = write(tmp_path / "2.dcm", DicomScan(series), mask, CLASSES, band=1)
    assert one == two
    mask[0, 0, 0] = 3 - mask[0, 0, 0]
    write(tmp_path / "3.dcm", DicomScan(series), mask, CLASSES)
    first, other = dcmread(tmp_path / "1.dcm"), dcmread(tmp_path / "3.dcm")
    assert first.SOPInstanceUID != other.SOPInstanceUID
    assert first.SeriesInstanceUID != other.SeriesInstanceUID
    dates = (first.ContentDate, first.InstanceCreationDate, first.ContentTime)
    assert dates == ("20200102", "20200102", "030405")


def test_a_radiograph_without_a_place_in_the_patient_gets_its_mask(
    tmp_path: Path,
) -> None:
    path = write_dicom(
        tmp_path / "x.dcm",
        stored((6, 8), dtype="u2"),
        kind=uid.ComputedRadiographyImageStorage,
        FrameOfReferenceUID=None,
        Modality="CR",
    )
    scan = DicomScan(path)
    mask = masks(scan, BINARY)
    write(tmp_path / "m.dcm", scan, mask, BINARY)
    assert np.array_equal(dcmread(tmp_path / "m.dcm").pixel_array, mask[0])


def _enhanced(tmp_path: Path, order: list[int]) -> Path:
    shared, measures, turned = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1, 1], 3
    turned.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [turned]
    groups = []
    for place in order:
        group, position = Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, 3.0 * place]
        group.PlanePositionSequence = [position]
        groups.append(group)
    return write_dicom(
        tmp_path / "e.dcm",
        stored((len(order), 5, 7)),
        kind=uid.EnhancedMRImageStorage,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=groups,
    )


def test_planes_of_a_multi_frame_file_find_their_frames(tmp_path: Path) -> None:
    scan = DicomScan(_enhanced(tmp_path, [2, 0, 1]))
    mask = masks(scan, CLASSES)
    write(tmp_path / "m.dcm", scan, mask, CLASSES)
    dataset = dcmread(tmp_path / "m.dcm")
    for frame, own in zip(
        dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True
    ):
        depth = own.PlanePositionSequence[0].ImagePositionPatient[2]
        number = own.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        assert np.array_equal(frame, mask[round(depth / 3)] == number)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"StudyInstanceUID": None}, "by StudyInstanceUID.*lacks it"),
        ({"FrameOfReferenceUID": None}, "Frame Of Reference UID"),
        ({"ImagePositionPatient": None}, "headers don't say"),
    ],
)
def test_images_that_can_not_be_referred_to_are_refused_at_once(
    tmp_path: Path, attributes: dict[str, Any], message: str
) -> None:
    series = write_series(tmp_path / "s", stored((3, 5, 7)), **attributes)
    scan = DicomScan(series)
    with pytest.raises(ScanError, match=rf"(?s){message}.*Write \.nii\.gz"):
        create_mask(tmp_path / "m.dcm", like=scan, labels=BINARY)
    assert list(tmp_path.iterdir()) == [series]


def test_images_that_are_not_dicom_are_refused_with_other_formats(
    tmp_path: Path,
) -> None:
    scan = ArrayScan(np.zeros((4, 5), np.uint8))
    with pytest.raises(ScanError, match=r"is none. Write \.nii\.gz, \.nrrd"):
        create_mask(tmp_path / "m.dcm", like=scan, labels=BINARY)


def test_an_unfinished_mask_leaves_what_was_there(tmp_path: Path) -> None:
    scan = DicomScan(write_series(tmp_path / "s", stored((3, 5, 7))))
    old = write(tmp_path / "m.dcm", scan, masks(scan, BINARY), BINARY)
    sink = create_mask(tmp_path / "m.dcm", like=scan, labels=BINARY)
    sink.write(Region.whole(scan.extent), np.ones((5, 7), np.uint8))
    with pytest.raises(ScanError, match="rows of plane 0 were written"):
        sink.close()
    assert (tmp_path / "m.dcm").read_bytes() == old
    assert len(list(tmp_path.iterdir())) == 2


def test_without_highdicom_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = DicomScan(write_series(tmp_path / "s", stored((2, 5, 7))))
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[dicom\]"):
        create_mask(tmp_path / "m.dcm", like=scan, labels=BINARY)


def test_another_resolution_is_refused_for_what_it_is(tmp_path: Path) -> None:
    write_series(tmp_path / "series", stored((3, 8, 8)), PixelSpacing=[0.5, 0.5])
    with (
        at_resolution(DicomScan(tmp_path / "series"), mpp=1000) as scan,
        pytest.raises(ScanError, match="at another resolution"),
    ):
        create_mask(tmp_path / "a.dcm", like=scan, labels=BINARY)
