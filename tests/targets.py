"""What is mutated: every kind of file that segx reads, small, by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segx.geometry import Region
from segx.labels import Labels
from segx.scans.files import create_mask, open_scan
from segx.scans.memory import ArrayScan
from segx.scans.scan import Scan
from tests.fuzzing import Target
from tests.scans.pictures import colour, write_every_format

_MOST = 1024  # px along an axis that are read of what says that it is large
_LABELS = Labels("multiclass", ("background", "a", "b"))


def targets() -> dict[str, Callable[[Path], Target]]:
    """A maker of each target, which writes into a folder that it is given."""
    return {
        **{name: _picture(name) for name in _PICTURES},
        **{f"volume {suffix}": _volume(suffix) for suffix in _VOLUMES},
        "slide": _slide,
        "zarr": _zarr("image.zarr"),
        "ome-zarr": _zarr("image.ome.zarr"),
        "dicom": _dicom,
        "dicom series": _dicom_series,
        **{f"mask {name}": _mask(name) for name in _MASKS},
        "manifest": _manifest,
        "config": _config,
        "checkpoint": _checkpoint,
        "safetensors": _safetensors("weights.safetensors"),
        "model config": _safetensors("config.yaml"),
        "onnx": _onnx,
        "passport": _passport,
    }


_PICTURES = (
    "png",
    "jpeg",
    "bmp",
    "palette png",
    "deep png",
    *(
        f"{name} {layout} tiff"
        for name in (None, "lzw", "zlib", "jpeg", "packbits")
        for layout in ("striped", "tiled")
    ),
    "pyramidal tiff",
    "stacked tiff",
    "paged tiff",
)
_VOLUMES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_MASKS = ("mask.png", "mask.ome.tif", "mask.ome.zarr", "mask.nii.gz", "mask.nrrd")


def read_scan(path: Path, *, as_mask: bool = False) -> None:
    """Read a scan as prediction does; what comes must be what the scan says it is."""
    with open_scan(path, as_mask=as_mask) as scan:
        rows, cols = min(scan.extent.rows, _MOST), min(scan.extent.cols, _MOST)
        for plane in range(min(scan.planes, 8)):
            pixels = scan.read(Region(0, 0, rows, cols), plane=plane)
            if pixels.shape != (rows, cols, scan.channels):
                raise ValueError(f"{pixels.shape} is not what the scan says")
            if pixels.dtype != scan.dtype:
                raise ValueError(f"{pixels.dtype} is not what the scan says")


def _reads(name: str, *, as_mask: bool = False) -> Callable[[Path], None]:
    return lambda folder: read_scan(folder / name, as_mask=as_mask)


def _picture(kind: str) -> Callable[[Path], Target]:
    def make(folder: Path) -> Target:
        path = write_every_format(folder)[kind]
        return Target({path.name: path.read_bytes()}, _reads(path.name), (path.name,))

    return make


def _volume(suffix: str) -> Callable[[Path], Target]:
    def make(folder: Path) -> Target:
        pytest.importorskip("SimpleITK", reason="volumes need segx[volumes]")
        from tests.scans.volumes import Volume, noise

        Volume(noise(3, 7, 5)).write(folder / f"v{suffix}", compress=".gz" in suffix)
        return Target.of(folder, _reads(f"v{suffix}"))

    return make


def _slide(folder: Path) -> Target:
    pytest.importorskip("openslide", reason="slides need segx[wsi]")
    import tifffile

    description = "Aperio Image Library v12\r\n90x70 (16x16) |AppMag = 20|MPP = 0.5"
    with tifffile.TiffWriter(folder / "a.svs") as writer:
        for step in (1, 2):
            writer.write(
                colour(70, 90)[::step, ::step],
                photometric="rgb",
                tile=(16, 16),
                compression="jpeg",
                metadata=None,
                description=description,
            )
    return Target.of(folder, _reads("a.svs"))


def _zarr(name: str) -> Callable[[Path], Target]:
    def make(folder: Path) -> Target:
        zarr = pytest.importorskip("zarr", reason="needs segx[zarr]")
        if name == "image.zarr":
            zarr.create_array(folder / name, data=colour(20, 24), chunks=(8, 9, 3))
            return Target.of(folder, _reads(name))
        _write_mask(folder / name)
        return Target.of(folder, _reads(name))

    return make


def _dicom(folder: Path) -> Target:
    pytest.importorskip("pydicom", reason="needs segx[dicom]")
    from tests.scans.dicoms import stored, write_dicom

    write_dicom(folder / "a.dcm", stored((2, 12, 9)))
    return Target.of(folder, _reads("a.dcm"))


def _dicom_series(folder: Path) -> Target:
    pytest.importorskip("pydicom", reason="needs segx[dicom]")
    from tests.scans.dicoms import stored, write_series

    write_series(folder / "series", stored((3, 8, 9)))
    return Target.of(folder, _reads("series"))


def _like() -> Scan:
    scan = ArrayScan(colour(40, 50))
    scan.spacing_mm = (0.5, 0.5)
    return scan


def _write_mask(path: Path) -> None:
    from segx.geometry import Space

    scan = _like()
    if path.suffix in (".gz", ".nrrd"):
        scan.space = Space((2.0, 0.5, 0.5))
    ids = np.random.default_rng(0).integers(0, 3, (40, 50), np.uint8)
    with create_mask(path, like=scan, labels=_LABELS) as sink:
        sink.write(Region(0, 0, 40, 50), ids)


def _mask(name: str) -> Callable[[Path], Target]:
    def make(folder: Path) -> Target:
        if ".zarr" in name:
            pytest.importorskip("zarr", reason="needs segx[zarr]")
        if name.endswith((".nii.gz", ".nrrd")):
            pytest.importorskip("SimpleITK", reason="volumes need segx[volumes]")
        _write_mask(folder / name)
        return Target.of(folder, _reads(name, as_mask=True))

    return make


def _manifest(folder: Path) -> Target:
    from segx.config import DataConfig
    from segx.data.manifest import read_manifest
    from tests.data.sets import write_pairs

    write_pairs(folder, ("a", "b", "c"))
    lines = [
        "image,mask,patient,split",
        "images/a.png,masks/a.png,p1,train",
        '"images/b.png",masks/b.png,p2,val',
        "images/c.png,masks/c.png,ü,test",
    ]
    (folder / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    fixed = [f"{kind}/{stem}.png" for kind in ("images", "masks") for stem in "abc"]

    def read(place: Path) -> None:
        layout = read_manifest(
            DataConfig(manifest=place / "list.csv"), task="segmentation"
        )
        for case in layout.cases:
            if not case.image.resolve().is_relative_to(place.resolve()):
                raise ValueError(f"{case.image} lies outside")

    return Target.of(folder, read, *fixed)


def _config(folder: Path) -> Target:
    from segx.artifact import check_model
    from segx.config import read_config, stock_configs

    def read(place: Path) -> None:
        config = read_config(place / "config.yaml")
        check_model(config.model, task=config.task)

    (stock,) = (path for path in stock_configs() if path.stem == "unet")
    text = stock.read_text(encoding="utf-8")
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return Target.of(folder, read)


def _load(name: str) -> Callable[[Path], None]:
    from segx.artifact import load_model

    def read(folder: Path) -> None:
        load_model(folder / name)

    return read


def _checkpoint(folder: Path) -> Target:
    import torch

    from tests.inference.exports import saved_model, spec

    model = saved_model(folder / "model", spec())
    state = {f"network.{k}": v for k, v in model.network.state_dict().items()}
    values = {"spec": model.spec.model_dump(mode="json")}
    content = {"state_dict": state, "hyper_parameters": values}
    path = folder / "a.ckpt"
    torch.save(content, path)
    return Target({"a.ckpt": path.read_bytes()}, _load("a.ckpt"), ("a.ckpt",))


def _safetensors(name: str) -> Callable[[Path], Target]:
    def make(folder: Path) -> Target:
        from tests.inference.exports import saved_model, spec

        saved_model(folder, spec())
        (folder / "weights.safetensors.sha256").unlink()
        other = {"config.yaml", "weights.safetensors"} - {name}
        return Target.of(folder, _load("."), *other)

    return make


def _onnx(folder: Path) -> Target:
    pytest.importorskip("onnx", reason="writes ONNX files: segx[onnx]")
    pytest.importorskip("onnxruntime", reason="runs ONNX files: segx[onnx]")
    from segx.inference.export import to_onnx
    from segx.inference.exported import ExportedModel
    from tests.inference.exports import saved_model, spec

    content = to_onnx(saved_model(folder, spec()))

    def read(place: Path) -> None:
        ExportedModel.read(place / "a.onnx")

    return Target({"a.onnx": content}, read, ("a.onnx",))


def _passport(folder: Path) -> Target:
    """What an ONNX file says of itself, apart from its network."""
    from segx.inference.exported import Passport
    from tests.inference.exports import spec

    key, *others = Passport(spec(), "1", "ab").as_text().items()

    def read(place: Path) -> None:
        text = (place / "spec.json").read_bytes().decode("utf-8", "replace")
        Passport.from_text({key[0]: text, **dict(others)}, source=place)

    return Target({"spec.json": key[1].encode()}, read, ("spec.json",))
