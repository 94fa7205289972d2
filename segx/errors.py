"""Every error that segx raises on purpose: what was given, what is allowed, what to do.

The tree; the command line turns each into one line and an exit code:

    SegxError                 1  anything below; catch this one
    ├── ConfigError           2  a key, value or name in a config or a command line
    ├── DataError             1  a data set: layout, pairs, mask values, splits
    ├── ScanError             1  a file that can't be read or written
    ├── TilingError           1  a tile, overlap or blend that can't cover the scan
    ├── ModelError            1  an encoder, decoder or tensor that doesn't fit
    │   └── OutOfMemoryError  1  a batch that the device has too little memory for
    ├── ArtifactError         1  a run folder, model folder or checkpoint
    ├── TrainingError         1  a training run that can't start or go on
    └── MissingExtraError     1  an optional package that is not installed
"""

__all__ = [
    "ArtifactError",
    "ConfigError",
    "DataError",
    "MissingExtraError",
    "ModelError",
    "OutOfMemoryError",
    "ScanError",
    "SegxError",
    "TilingError",
    "TrainingError",
]


class SegxError(Exception):
    """Base of all errors that segx raises on purpose."""

    exit_code = 1


class ConfigError(SegxError):
    """A config or a command line asks for something that does not exist."""

    exit_code = 2


class DataError(SegxError):
    """A data set has a defect, or can't be read as the layout that was asked for."""


class ScanError(SegxError):
    """A file can't be read as an image, or a mask can't be written."""


class TilingError(SegxError):
    """A tile plan that can't cover the scan."""


class ModelError(SegxError):
    """An encoder, a decoder or a tensor that doesn't fit the others."""


class OutOfMemoryError(ModelError):
    """A device has too little memory for a batch; a smaller one may fit."""


class ArtifactError(SegxError):
    """A run folder, a model folder or a weights file that can't be trusted or found."""


class TrainingError(SegxError):
    """A training run that can't start or can't go on."""


class MissingExtraError(SegxError):
    """An optional package is needed and not installed."""
