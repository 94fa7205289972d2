import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segx.errors import MissingExtraError, ScanError
from segx.geometry import Extent, Region, Space
from segx.labels import Labels
from segx.scans.files import create_mask, mask_files, open_scan
from segx.scans.memory import ArrayScan
from segx.scans.scan import Scan
from tests.scans.volumes import MASK_SUFFIXES, SUFFIXES, Volume, noise, volumes

sitk = pytest.importorskip("SimpleITK", reason="volumes need segx[volumes]")
nib = pytest.importorskip("nibabel", reason="the independent reader of NIfTI")

_LABELS = Labels("multiclass", ("background", "anterior", "posterior"))
_LAYERS = Labels("multilabel", ("a", "b/c"))


def _write(
    path: Path, mask: NDArray[np.uint8], *, like: Scan, labels: Labels = _LABELS
) -> None:
    """Write a mask, (planes, rows, cols[, classes]), in two bands a plane."""
    cols = like.extent.cols
    with create_mask(path, like=like, labels=labels) as sink:
        for plane, whole in enumerate(mask):
            half = len(whole) // 2
            if half:
                sink.write(Region(0, 0, half, cols), whole[:half], plane=plane)
            below = Region(half, 0, len(whole) - half, cols)
            sink.write(below, whole[half:], plane=plane)


def _mask_of(volume: Volume) -> NDArray[np.uint8]:
    """Ids, (planes, rows, cols), that differ everywhere."""
    return noise(*volume.voxels.shape[:3], dtype="u1") % 3


def _places(image: Any) -> NDArray[np.float64]:
    """Spacing, origin and direction in one row."""
    return np.array([*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection()])


@settings(max_examples=50)
@given(
    volume=volumes(),
    suffix=st.sampled_from(SUFFIXES),
    target=st.sampled_from(MASK_SUFFIXES),
    axis=st.sampled_from((0, 1, 2)),
)
def test_a_mask_lies_on_its_scan_in_the_stored_order(
    volume: Volume, suffix: str, target: str, axis: int
) -> None:
    ids = _mask_of(volume)
    with TemporaryDirectory() as folder:
        source = volume.write(Path(folder, f"scan{suffix}"))
        path = Path(folder, f"mask{target}")
        with open_scan(source, axis=axis) as scan:
            _write(path, np.moveaxis(ids, axis, 0), like=scan)
        image, mask = sitk.ReadImage(str(source)), sitk.ReadImage(str(path))
        assert mask.GetPixelID() == sitk.sitkUInt8
        assert np.array_equal(sitk.GetArrayFromImage(mask), ids)
        if target in (".nii", ".nii.gz"):  # which holds float32 and a quaternion
            assert np.allclose(_places(mask), _places(image), rtol=1e-6, atol=1e-3)
        elif target == ".mha":
            assert np.array_equal(_places(mask), _places(image))
        else:  # which holds spacing times direction
            assert np.allclose(_places(mask), _places(image), rtol=0, atol=1e-12)
        with open_scan(path, as_mask=True, axis=axis) as scan:
            assert np.array_equal(scan.read_all()[..., 0], np.moveaxis(ids, axis, 0)[0])


@settings(max_examples=40)
@given(
    volume=volumes(channels=False),
    suffix=st.sampled_from((".nii", ".nii.gz")),
    axis=st.sampled_from((0, 1, 2)),
)
def test_nibabel_sees_the_mask_where_the_scan_is(
    volume: Volume, suffix: str, axis: int
) -> None:
    ids = _mask_of(volume)
    with TemporaryDirectory() as folder:
        source = volume.write(Path(folder, f"scan{suffix}"))
        path = Path(folder, f"mask{suffix}")
        with open_scan(source, axis=axis) as scan:
            _write(path, np.moveaxis(ids, axis, 0), like=scan)
        image, mask = nib.load(source), nib.load(path)
        assert np.array_equal(np.asanyarray(mask.dataobj), ids.T)
        assert np.allclose(mask.affine, image.affine, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("suffix", MASK_SUFFIXES)
def test_the_same_mask_twice_is_the_same_file(tmp_path: Path, suffix: str) -> None:
    volume = Volume(noise(3, 4, 5))
    with open_scan(volume.write(tmp_path / "scan.nii.gz")) as scan:
        for name in ("one", "two"):
            _write(tmp_path / name / f"m{suffix}", _mask_of(volume), like=scan)
    one, two = ((tmp_path / n / f"m{suffix}").read_bytes() for n in ("one", "two"))
    assert one == two
    assert b"one" not in one
    if suffix == ".nii.gz":
        assert one[4:8] == bytes(4)  # no time of writing


@pytest.mark.parametrize("suffix", MASK_SUFFIXES)
def test_a_multilabel_mask_is_one_volume_a_class(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "out" / f"scan{suffix}"
    layers = noise(4, 3, 2, 2, dtype="u1") % 2
    with open_scan(Volume(noise(3, 4, 2)).write(tmp_path / "v.nrrd"), axis=1) as scan:
        _write(path, layers, like=scan, labels=_LAYERS)
    files = mask_files(path, _LAYERS)
    assert sorted(path.parent.iterdir()) == sorted(files)
    assert [file.name for file in files] == [f"scan.a{suffix}", f"scan.b%2Fc{suffix}"]
    for index, file in enumerate(files):
        found = sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
        assert np.array_equal(found, np.moveaxis(layers[..., index], 0, 1))


@pytest.mark.parametrize("suffix", MASK_SUFFIXES)
def test_a_scan_without_a_place_gives_its_pixel_size_or_1_mm(
    tmp_path: Path, suffix: str
) -> None:
    ids = np.ones((1, 4, 5), np.uint8)
    sized = _Stack(planes=1, spacing_mm=(0.5, 0.25))
    for scan, expected in ((ArrayScan(ids[0]), (1, 1, 1)), (sized, (0.25, 0.5, 1))):
        path = tmp_path / f"m{suffix}"
        _write(path, ids, like=scan)
        image = sitk.ReadImage(str(path))
        assert image.GetSpacing() == expected
        assert image.GetSize() == (5, 4, 1)


def test_a_stack_with_a_space_that_is_no_file_keeps_it(tmp_path: Path) -> None:
    axes = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0))  # sagittal planes
    space = Space((3.0, 0.5, 0.25), (1.0, 2.0, 3.0), axes)
    scan = _Stack(planes=2, space=space)
    _write(tmp_path / "m.nrrd", np.ones((2, 4, 5), np.uint8), like=scan)
    with open_scan(tmp_path / "m.nrrd") as mask:
        assert mask.space == space


@pytest.mark.parametrize("suffix", MASK_SUFFIXES)
def test_a_picture_gives_a_picture(tmp_path: Path, suffix: str) -> None:
    image = sitk.GetImageFromArray(noise(5, 4))
    image.SetSpacing((0.5, 0.25))
    source = tmp_path / f"scan{suffix}"
    sitk.WriteImage(image, str(source))
    with open_scan(source) as scan:
        _write(tmp_path / f"m{suffix}", np.ones((1, 5, 4), np.uint8), like=scan)
    mask = sitk.ReadImage(str(tmp_path / f"m{suffix}"))
    assert mask.GetSize() == (4, 5)
    assert np.array_equal(_places(mask), _places(sitk.ReadImage(str(source))))


def test_slightly_skewed_axes_are_kept_by_nrrd_and_told_apart_by_none(
    tmp_path: Path,
) -> None:
    volume = Volume(noise(3, 4, 5), direction=(1, 4e-4, 0, 0, 1, 0, 0, 0, 1))
    with open_scan(volume.write(tmp_path / "scan.nrrd")) as scan:
        for suffix in MASK_SUFFIXES:
            _write(tmp_path / f"m{suffix}", _mask_of(volume), like=scan)
            found = sitk.ReadImage(str(tmp_path / f"m{suffix}")).GetDirection()
            assert np.allclose(found, volume.direction, atol=1e-3)


def test_what_could_not_be_read_again_is_refused_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = ArrayScan(np.zeros((1, 2**15), np.uint8))
    with pytest.raises(ScanError, match="can't hold 1 planes of 1x32768 px"):
        create_mask(tmp_path / "m.nii", like=long, labels=_LABELS)
    monkeypatch.setattr("segx.scans.volume_mask.MOST_BYTES", 10)
    monkeypatch.setattr("segx.scans.volume_header.MOST_BYTES", 10)
    with pytest.raises(ScanError, match=r"Write it as \.nrrd"):
        create_mask(tmp_path / "m.nii.gz", like=_Stack(), labels=_LABELS)
    assert not list(tmp_path.iterdir())
    for suffix in (".nii", ".nrrd", ".mha"):
        _write(tmp_path / f"m{suffix}", np.ones((1, 4, 5), np.uint8), like=_Stack())


def test_bands_of_a_volume_come_plane_after_plane(tmp_path: Path) -> None:
    sink = create_mask(tmp_path / "m.nrrd", like=_Stack(planes=2), labels=_LABELS)
    whole, ids = Region(0, 0, 4, 5), np.ones((4, 5), np.uint8)
    with pytest.raises(
        ScanError, match="the next band begins at row 0 of 4 in plane 0"
    ):
        sink.write(whole, ids, plane=1)
    sink.write(whole, ids)
    with pytest.raises(ScanError, match="4 of 4 rows of plane 0 were written"):
        sink.close()
    assert not list(tmp_path.iterdir())


def test_without_simpleitk_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    scan = ArrayScan(np.zeros((2, 3), np.uint8))
    with pytest.raises(MissingExtraError, match=r"pip install .*\[volumes\]"):
        create_mask(tmp_path / "m.nii.gz", like=scan, labels=_LABELS)
    assert not list(tmp_path.iterdir())


_ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from segx.errors import ScanError
from segx.geometry import Region
from segx.labels import Labels
from segx.scans import ArrayScan, create_mask

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
random = np.random.default_rng(0)
mask = random.integers(0, 200, (200, 300), np.uint8, endpoint=True)
labels = Labels("multiclass", tuple(map(str, range(256))))
sink = create_mask(Path(sys.argv[1]), like=ArrayScan(mask), labels=labels)
sink.write(Region(0, 0, 200, 300), mask)
sink._spool.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    sink.close()
except ScanError as error:
    print(error)
"""


@pytest.mark.parametrize("suffix", MASK_SUFFIXES)
def test_a_full_disk_is_told_and_leaves_an_older_file(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(b"older")
    done = subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert f"{path} can't be written" in done.stdout
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_masks_of_real_volumes_lie_on_them(
    tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    formats, hippocampus = shared_data("formats"), shared_data("hippocampus3d")
    paths = [
        *formats.glob("n*_*/**/*.nrrd"),
        *formats.glob("n*_*/**/*.nii.gz"),
        *sorted(hippocampus.glob("test/images/*"))[::12],
    ]
    for path in paths:
        image = sitk.ReadImage(str(path))
        for axis in (0, 2):
            target = tmp_path / f"m{'.nrrd' if path.suffix == '.nrrd' else '.nii.gz'}"
            with open_scan(path, axis=axis) as scan:
                shape = (scan.planes, scan.extent.rows, scan.extent.cols)
                _write(target, noise(*shape, dtype="u1") % 3, like=scan)
            mask = sitk.ReadImage(str(target))
            assert mask.GetSize() == image.GetSize()
            assert np.allclose(_places(mask), _places(image), rtol=1e-6, atol=1e-6)
            if path.suffix == ".gz":
                found, expected = nib.load(target).affine, nib.load(path).affine
                assert np.allclose(found, expected, rtol=1e-5, atol=1e-4)


class _Stack(Scan):
    """Planes of 4x5 px that are read from no file."""

    def __init__(self, **place: Any) -> None:
        super().__init__(
            Path("stack"),
            extent=Extent(4, 5),
            channels=1,
            dtype=np.dtype(np.uint8),
            **place,
        )

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        raise ScanError("A mask needs no pixels of its scan.")
