"""Medical image segmentation: from images and masks to masks on scans of any size.

    >>> import segx
    >>> model = segx.load("runs/cells")  # doctest: +SKIP
    >>> labels = model.predict("scan.png")  # doctest: +SKIP

The names below are imported when they are first used: ``import segx`` loads no torch.
"""

import importlib
from typing import TYPE_CHECKING

from segx.errors import SegxError

if TYPE_CHECKING:
    from segx.boxes.detections import Detections
    from segx.inference.detect import BoxPredictor
    from segx.inference.loading import load, load_detector
    from segx.inference.predictor import Predictor

__all__ = [
    "BoxPredictor",
    "Detections",
    "Predictor",
    "SegxError",
    "__version__",
    "load",
    "load_detector",
]

__version__ = "0.1.0"

# Public name → the module that it is taken from on first use.
_LAZY = {
    "BoxPredictor": "segx.inference.detect",
    "Detections": "segx.boxes.detections",
    "Predictor": "segx.inference.predictor",
    "load": "segx.inference.loading",
    "load_detector": "segx.inference.loading",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(_LAZY[name])
    except (ImportError, RuntimeError) as error:
        advice = _advice(error)
        if advice is None:
            raise
        raise SegxError(advice) from error
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted({*globals(), *__all__})


def _advice(error: ImportError | RuntimeError) -> str | None:
    """What to install after a failed import, where that is known."""
    from segx.environment import explain_import_error

    return explain_import_error(error)
