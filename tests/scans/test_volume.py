import re
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segx.errors import MissingExtraError, ScanError
from segx.geometry import Region
from segx.scans.files import open_scan
from tests.scans.volumes import DTYPES, SUFFIXES, Volume, noise, read_volume, volumes

sitk = pytest.importorskip("SimpleITK", reason="volumes need segx[volumes]")
nib = pytest.importorskip("nibabel", reason="the independent reader of NIfTI")

AXES = (0, 1, 2)


@settings(max_examples=40)
@given(
    volume=volumes(),
    suffix=st.sampled_from(SUFFIXES),
    compress=st.booleans(),
    axis=st.sampled_from(AXES),
)
def test_planes_are_what_numpy_sees_along_the_axis(
    volume: Volume, suffix: str, compress: bool, axis: int
) -> None:
    with TemporaryDirectory() as folder:
        path = volume.write(Path(folder, f"v{suffix}"), compress=compress)
        with open_scan(path, axis=axis) as scan:
            found = read_volume(scan)
    expected = np.moveaxis(volume.voxels, axis, 0)
    assert found.dtype == scan.dtype == volume.voxels.dtype
    assert np.array_equal(found, expected.reshape(found.shape))
    assert found.shape[:3] == (scan.planes, scan.extent.rows, scan.extent.cols)


@settings(max_examples=40)
@given(
    volume=volumes(channels=False),
    suffix=st.sampled_from(SUFFIXES),
    axis=st.sampled_from(AXES),
)
def test_each_voxel_lies_where_simpleitk_says(
    volume: Volume, suffix: str, axis: int
) -> None:
    with TemporaryDirectory() as folder:
        path = volume.write(Path(folder, f"v{suffix}"))
        image = sitk.ReadImage(str(path))
        with open_scan(path, axis=axis) as scan:
            space = scan.space
    assert space is not None
    last = tuple(size - 1 for size in np.moveaxis(volume.voxels, axis, 0).shape)
    offsets = [
        step * spacing * np.array(along)
        for step, spacing, along in zip(
            last, space.spacing_mm, space.directions, strict=True
        )
    ]
    expected = image.TransformIndexToPhysicalPoint(
        tuple(size - 1 for size in image.GetSize())
    )
    assert np.allclose(sum(offsets, np.array(space.origin_mm)), expected, atol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["<", ">"])
def test_nibabel_sees_the_same_values_in_both_byte_orders(
    tmp_path: Path, dtype: str, order: str
) -> None:
    values = noise(4, 3, 2, dtype=dtype).astype(np.dtype(order + dtype))
    affine = np.diag([-1.5, -2, 3, 1])
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(values.dtype)
    nib.save(nib.Nifti1Image(values, affine, header), tmp_path / "v.nii.gz")
    with open_scan(tmp_path / "v.nii.gz") as scan:
        assert scan.dtype == np.dtype(dtype)
        assert np.array_equal(read_volume(scan)[..., 0], values.T)
        assert scan.space is not None
        assert scan.space.spacing_mm == (3, 2, 1.5)


@settings(max_examples=20)
@given(slope=st.floats(0.01, 100), summand=st.floats(-1000, 1000), wide=st.booleans())
def test_scaled_values_are_those_of_nibabel(
    slope: float, summand: float, wide: bool
) -> None:
    stored = noise(4, 3, 2, dtype="i4" if wide else "i2")
    header = nib.Nifti1Header()
    header.set_data_dtype(stored.dtype)
    header.set_slope_inter(slope, summand)
    with TemporaryDirectory() as folder:
        path = Path(folder, "v.nii")
        with path.open("wb") as file:
            header["magic"], header["vox_offset"] = b"n+1", 352
            header.set_data_shape(stored.shape)
            file.write(header.binaryblock + bytes(4) + stored.tobytes("F"))
        expected = nib.load(path).get_fdata().T
        with open_scan(path) as scan:
            found = read_volume(scan)[..., 0]
    is_scaled = (np.float32(slope), np.float32(summand)) != (1, 0)
    scaled_dtype = np.float64 if wide else np.float32
    assert found.dtype == (scaled_dtype if is_scaled else stored.dtype)
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_region_is_the_same_part_of_the_plane(tmp_path: Path, suffix: str) -> None:
    voxels = noise(6, 7, 8)
    path = Volume(voxels).write(tmp_path / f"v{suffix}", compress=True)
    region = Region(2, 1, 3, 4)
    with open_scan(path, axis=1) as scan:
        assert np.array_equal(
            scan.read(region, plane=5)[..., 0], voxels[:, 5][region.slices]
        )


def test_a_picture_is_one_plane_without_a_place(tmp_path: Path) -> None:
    pixels = noise(5, 4)
    for suffix in SUFFIXES:
        image = sitk.GetImageFromArray(pixels)
        image.SetSpacing((0.5, 0.25))
        path = tmp_path / f"v{suffix}"
        sitk.WriteImage(image, str(path))
        with open_scan(path) as scan:
            assert np.array_equal(read_volume(scan)[0, ..., 0], pixels)
            assert (scan.spacing_mm, scan.space) == ((0.25, 0.5), None)
        with pytest.raises(ScanError, match="is a single plane"):
            open_scan(path, axis=1)


def test_one_time_point_is_a_volume_and_more_are_refused(tmp_path: Path) -> None:
    values = noise(4, 3, 2, 1)
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "one.nii.gz")
    with open_scan(tmp_path / "one.nii.gz") as scan:
        assert np.array_equal(read_volume(scan)[..., 0], values[..., 0].T)
    nib.save(nib.Nifti1Image(noise(4, 3, 2, 5), np.eye(4)), tmp_path / "five.nii")
    with pytest.raises(ScanError, match=r"five\.nii holds 5 volumes"):
        open_scan(tmp_path / "five.nii")


def test_channels_may_be_the_last_axis_of_a_nrrd(tmp_path: Path) -> None:
    values = noise(3, 2, 4, 5)  # channels, planes, rows, cols
    path = tmp_path / "v.nrrd"
    header = (
        "NRRD0004\n# listed\ntype: short\ndimension: 4\nsizes: 5 4 2 3\n"
        "spacings: 1 1 2 nan\nkinds: domain domain domain list\nendian: big\n"
        "encoding: raw\n\n"
    )
    path.write_bytes(header.encode() + values.astype(">i2").tobytes())
    with open_scan(path) as scan:
        assert np.array_equal(read_volume(scan), np.moveaxis(values, 0, 3))


# --- as a mask ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_labels_are_whole_numbers_whatever_they_are_stored_as(
    tmp_path: Path, dtype: str
) -> None:
    ids = (noise(3, 4, 5, dtype="u1") % 3).astype(dtype)
    path = Volume(ids).write(tmp_path / "v.nrrd")
    with open_scan(path, as_mask=True) as scan:
        found = read_volume(scan)[..., 0]
    assert found.dtype == scan.dtype == (np.int64 if dtype in ("f4", "f8") else dtype)
    assert np.array_equal(found, ids)


@pytest.mark.parametrize(
    ("wrong", "dtype"),
    [(-1, "i2"), (0.5, "f4"), (-2, "f8"), (float("nan"), "f4"), (1e300, "f8")],
)
def test_values_that_are_no_ids_are_refused_and_told(
    tmp_path: Path, wrong: float, dtype: str
) -> None:
    ids = np.ones((3, 4, 5), dtype)
    ids[1, 2, 3] = wrong
    path = Volume(ids).write(tmp_path / "v.mha")
    with open_scan(path, as_mask=True) as scan:
        scan.read_all(plane=0)
        with pytest.raises(
            ScanError, match=re.escape(f"it holds {wrong:g}. Ids are whole")
        ):
            scan.read_all(plane=1)
    with open_scan(path) as scan:
        assert np.array_equal(read_volume(scan)[..., 0], ids, equal_nan=True)


# --- axes and packages --------------------------------------------------------------


def test_an_axis_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = Volume(noise(2, 3, 4)).write(tmp_path / "v.nii")
    with pytest.raises(ScanError, match="a volume has axes 0, 1 and 2"):
        open_scan(path, axis=3)
    with pytest.raises(ScanError, match="only volumes can"):
        open_scan(tmp_path / "a.png", axis=1)


def test_without_simpleitk_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Volume(noise(2, 3, 4)).write(tmp_path / "v.nii")
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[volumes\]"):
        open_scan(path)


def test_a_closed_scan_says_so(tmp_path: Path) -> None:
    scan = open_scan(Volume(noise(2, 3, 4)).write(tmp_path / "v.nii"))
    scan.read_all()
    scan.close()
    with pytest.raises(ScanError, match="was closed"):
        scan.read_all()


def test_a_plane_of_a_volume_larger_than_the_memory_is_read(tmp_path: Path) -> None:
    path = Volume(noise(2, 3, 4)).write(tmp_path / "v.nii")
    head = bytearray(path.read_bytes()[:352])
    head[40:48] = np.array([3, 2**13, 2**13, 2**12], "<i2").tobytes()  # 512 GiB
    path.write_bytes(head)
    try:
        with path.open("r+b") as file:
            file.truncate(352 + 2**39)  # without blocks: it takes no space
    except OSError:
        pytest.skip("the file system has no sparse files of that size")
    with open_scan(path) as scan:
        assert not scan.read(Region(4000, 4000, 100, 100), plane=4000).any()


# --- real files ---------------------------------------------------------------------


def test_real_volumes_are_read_as_their_own_libraries_read_them(
    shared_data: Callable[[str], Path],
) -> None:
    formats, hippocampus = shared_data("formats"), shared_data("hippocampus3d")
    paths = [
        *formats.glob("n*_*/**/*.nrrd"),
        *formats.glob("n*_*/**/*.nii.gz"),
        *sorted(hippocampus.rglob("*.nii.gz"))[::40],
    ]
    assert len(paths) > 10
    for path in paths:
        image = sitk.ReadImage(str(path))
        voxels = sitk.GetArrayFromImage(image)
        with open_scan(path) as scan:
            assert scan.dtype == voxels.dtype
            assert np.array_equal(read_volume(scan)[..., 0], voxels)
            assert scan.space is not None
            assert scan.space.spacing_mm == image.GetSpacing()[::-1]
            assert scan.space.origin_mm == image.GetOrigin()
        if path.suffix == ".gz":
            other = nib.load(path)
            assert np.array_equal(np.asanyarray(other.dataobj).T, voxels)
            assert np.allclose(other.affine[:3, 3] * (-1, -1, 1), scan.space.origin_mm)


def test_real_labels_are_read_as_masks(shared_data: Callable[[str], Path]) -> None:
    formats, hippocampus = shared_data("formats"), shared_data("hippocampus3d")
    paths = [
        *formats.glob("n*_*/**/*label*.nrrd"),
        *formats.glob("n*_*/label/*.nii.gz"),
        *sorted(hippocampus.glob("*/masks/*.nii.gz"))[::40],
    ]
    assert len(paths) > 5
    for path in paths:
        with open_scan(path, as_mask=True) as scan:
            ids = read_volume(scan)
        assert ids.dtype.kind in "iu"
        expected = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        assert np.array_equal(ids[..., 0], expected)
