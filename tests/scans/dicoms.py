"""Small DICOM files of every kind, made from arrays."""

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, FileMetaDataset, uid

MR, CT = uid.MRImageStorage, uid.CTImageStorage


def write_dicom(
    path: Path,
    pixels: np.ndarray,
    *,
    syntax: uid.UID = uid.ExplicitVRLittleEndian,
    kind: uid.UID = MR,
    **attributes: Any,
) -> Path:
    """Write stored values, (rows, cols[, 3]) or (frames, rows, cols), as one file.

    Attributes that are None are left out.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    samples = 3 if pixels.ndim == 3 and pixels.shape[2] == 3 else 1
    rows, cols = pixels.shape[:2] if samples == 3 else pixels.shape[-2:]
    bits = 8 * pixels.dtype.itemsize
    standard = {
        "SOPClassUID": kind,
        "SOPInstanceUID": uid.generate_uid(entropy_srcs=[path.name]),
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "FrameOfReferenceUID": "1.2.3.5",
        "Modality": "MR",
        "PatientName": "Muster^Jörg",
        "SpecificCharacterSet": "ISO_IR 100",
        "StudyDate": "20200102",
        "StudyTime": "030405",
        "Rows": rows,
        "Columns": cols,
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": "RGB" if samples == 3 else "MONOCHROME2",
        "PlanarConfiguration": 0 if samples == 3 else None,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "NumberOfFrames": len(pixels) if pixels.ndim == 3 and samples == 1 else None,
    }
    for keyword, value in (standard | attributes).items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.HighBit = dataset.BitsStored - 1
    is_big = not syntax.is_little_endian
    data = pixels.astype(pixels.dtype.newbyteorder(">" if is_big else "<")).tobytes()
    if isinstance(attributes.get("PixelData"), bytes):
        data = attributes["PixelData"]
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if syntax.is_encapsulated or bits == 8 else "OW"
    if bits == 8 and is_big:
        dataset["PixelData"].VR = "OB"
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path,
    volume: np.ndarray,
    *,
    names: list[str] | None = None,
    normal_step: float = 2.5,
    origin: tuple[float, float, float] = (-10.0, 20.0, 30.0),
    orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0),
    **attributes: Any,
) -> Path:
    """Write a volume, (planes, rows, cols), as one file a plane."""
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(orientation[:3], orientation[3:])
    for index, plane in enumerate(volume):
        place = np.array(origin) + index * normal_step * normal
        name = names[index] if names else f"{index}.dcm"
        write_dicom(
            folder / name,
            plane,
            **{
                "ImagePositionPatient": [f"{value:.8g}" for value in place],
                "ImageOrientationPatient": [f"{value:.10g}" for value in orientation],
                "PixelSpacing": [0.5, 0.75],
                "SliceThickness": 99,
                "InstanceNumber": len(volume) - index,
                **attributes,
            },
        )
    return folder


def stored(
    shape: tuple[int, ...], *, dtype: str = "i2", bits: int | None = None, seed: int = 0
) -> np.ndarray:
    """Random values that fill the stored bits."""
    kind = np.dtype(dtype)
    bits = bits or 8 * kind.itemsize
    low = -(2 ** (bits - 1)) if kind.kind == "i" else 0
    values = np.random.default_rng(seed).integers(low, low + 2**bits, shape)
    return values.astype(kind)
