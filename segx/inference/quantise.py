"""Eight bits instead of 32: a network quantised for OpenVINO, calibrated on tiles."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.atomic import replacing, verify_digest, write_digest
from segx.errors import ArtifactError, MissingExtraError, ModelError
from segx.extras import install_extra
from segx.inference.exported import Passport, exported_place
from segx.inference.runtimes.openvino import openvino_core, read_model

__all__ = ["CALIBRATION_TILES", "quantise", "quantised_place", "read_passport"]

CALIBRATION_TILES = 24
"""So many were enough: 0.13 % of the pixels flipped, the Dice stayed."""


def quantise(
    model: Path | bytes,
    tiles: Sequence[NDArray[np.float32]],
    *,
    passport: Passport,
    to: Sequence[Path],
) -> None:
    """Quantise a network to int8 and write it as OpenVINO's .xml and .bin.

    Both appear whole, each with its SHA-256 beside it.

    Args:
        model: An ONNX file, or its bytes.
        tiles: What the range of values is learnt from: tiles as the network reads
            them, shape (channels, rows, cols), better from training than from noise.
        passport: What the quantised network carries with it.
        to: The .xml files to write; beside each stands its .bin.

    Raises:
        MissingExtraError: If NNCF or OpenVINO is not installed.
        ModelError: If there is no tile.
    """
    if not tiles:
        raise ModelError("There are no tiles to calibrate on. Name a data set: --data.")
    nncf = _nncf()
    examples = nncf.Dataset([tile[np.newaxis] for tile in tiles])
    quantised = nncf.quantize(read_model(model), examples, subset_size=len(tiles))
    for name, text in passport.as_text().items():
        quantised.set_rt_info(text, [name])
    for path in to:
        _write(quantised, path)


def quantised_place(path: Path) -> Path:
    """Where the quantised form of a model stands: beside its exported form.

    Args:
        path: As for `exported_place`.

    Examples:
        >>> quantised_place(Path("out/cells.onnx")).as_posix()
        'out/cells.int8.xml'
    """
    return exported_place(path).with_suffix(".int8.xml")


def read_passport(path: Path) -> Passport:
    """What a quantised model is.

    Raises:
        ArtifactError: If one of its two files is missing or damaged, or it is not from
            segx.
        MissingExtraError: If OpenVINO is not installed.
    """
    for file in (path, path.with_suffix(".bin")):
        if not file.is_file():
            raise ArtifactError(f"There is no {file}: quantise again, with --int8.")
        verify_digest(file)
    network = read_model(path)
    # Beside our texts OpenVINO keeps trees of its own there.
    stored = {
        name: str(network.get_rt_info([name]).value)
        for name, value in network.get_rt_info().items()
        if not isinstance(value, dict)
    }
    return Passport.from_text(stored, source=path)


def _write(network: Any, path: Path) -> None:
    """The weights first: what is found by its .xml is whole."""
    import openvino

    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        half = Path(folder) / path.name
        openvino.save_model(network, half, compress_to_fp16=False)
        for suffix in (".bin", ".xml"):
            target = path.with_suffix(suffix)
            with replacing(target) as temporary:
                half.with_suffix(suffix).replace(temporary)
            write_digest(target)


def _nncf() -> Any:
    openvino_core()  # which also keeps NNCF from reporting that it is used
    try:
        import nncf
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Quantising needs a package that is not installed. Install it: "
            f"{install_extra('openvino')}"
        ) from error
    return nncf
