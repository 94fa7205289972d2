"""A model as one ONNX file, which carries its own spec; it needs no torch."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from segx.atomic import verify_digest
from segx.errors import ArtifactError, ConfigError
from segx.inference.runtimes.onnx import OnnxRuntime, has_cuda
from segx.spec import ModelSpec, parse_spec

__all__ = ["ExportedModel", "Passport", "exported_place", "is_exported"]

_SPEC, _VERSION, _WEIGHTS = "segx.spec", "segx.version", "segx.weights_sha256"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Passport:
    """What an exported network carries with it.

    Args:
        spec: What the model is.
        version: The segx that exported it.
        weights_sha256: Digest of the weights that it was made of: a network and its
            quantised form belong together where these are equal.
    """

    spec: ModelSpec
    version: str
    weights_sha256: str

    def as_text(self) -> dict[str, str]:
        """Text by name, as ONNX and OpenVINO store it."""
        spec = self.spec.model_dump(mode="json")
        return {
            _SPEC: json.dumps(spec, sort_keys=True),
            _VERSION: self.version,
            _WEIGHTS: self.weights_sha256,
        }

    @classmethod
    def from_text(cls, stored: Mapping[str, str], *, source: Path) -> Self:
        """Read what `as_text` gave.

        Raises:
            ArtifactError: If it is not there, or describes no model.
        """
        try:
            spec = json.loads(stored[_SPEC])
            version, weights = stored[_VERSION], stored[_WEIGHTS]
        except KeyError as error:
            raise ArtifactError(
                f"{source} is a network, but not one that segx export wrote: it has no "
                f"{error}. Give such a file, a run folder or a .ckpt."
            ) from error
        except json.JSONDecodeError as error:
            raise ArtifactError(
                f"{source} holds a damaged {_SPEC} ({error}). Export it again."
            ) from error
        return cls(parse_spec(spec, source=source), version, weights)


@dataclass(frozen=True)
class ExportedModel:
    """An ONNX file that was read: its passport, and its network ready to run.

    Args:
        passport: What the file carries with it.
        runtime: The network in ONNX Runtime, in float32.
        source: The file.
    """

    passport: Passport
    runtime: OnnxRuntime
    source: Path

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""
        return self.passport.spec

    @classmethod
    def read(cls, path: Path, *, device: str | None = None) -> Self:
        """Read a file that `segx export` wrote.

        Args:
            path: The file.
            device: Where ONNX Runtime shall run it; None takes the best there is.

        Raises:
            ConfigError: If ONNX Runtime can't use the device.
            ArtifactError: If it is missing, damaged, or not from segx.
            MissingExtraError: If ONNX Runtime is not installed.
        """
        if not path.is_file():
            raise ArtifactError(f"There is no model at {path}.")
        verify_digest(path)
        runtime = _runtime(path, device)
        passport = Passport.from_text(runtime.metadata, source=path)
        if runtime.channels != passport.spec.in_channels:
            raise ArtifactError(
                f"{path} says that it reads {passport.spec.in_channels} channels, and "
                f"its network reads {runtime.channels}. It was tampered with: export "
                "it again."
            )
        return cls(passport, runtime, path)


def is_exported(path: Path) -> bool:
    """Whether a path names an ONNX file."""
    return path.suffix.lower() == ".onnx"


def exported_place(path: Path) -> Path:
    """Where the exported form of a model stands, unless it is put elsewhere.

    Args:
        path: A run folder, a model folder, a ``.ckpt`` or an ``.onnx``.

    Examples:
        >>> exported_place(Path("runs/cells/checkpoints/best.ckpt")).as_posix()
        'runs/cells/export/model.onnx'
        >>> exported_place(Path("out/cells.onnx")).as_posix()
        'out/cells.onnx'
    """
    if is_exported(path):
        return path
    folder = path if path.is_dir() else path.parent
    if folder.name == "checkpoints":
        folder = folder.parent
    return folder / "export" / "model.onnx"


def _runtime(path: Path, device: str | None) -> OnnxRuntime:
    """The network in ONNX Runtime, on the device asked for or the best that starts."""
    if device not in (None, "auto"):
        return OnnxRuntime(path, device=str(device))
    if has_cuda():
        try:
            return OnnxRuntime(path, device="cuda")
        except ConfigError as error:
            _logger.warning("%s Going on with the processor.", error)
    return OnnxRuntime(path)
