"""SimpleITK, which is optional: where it is missing, the error says what to install."""

from pathlib import Path
from types import ModuleType

from segx.errors import MissingExtraError
from segx.extras import install_extra
from segx.scans.suffix import split_suffix

__all__ = ["image_io", "simpleitk"]

_IMAGE_IOS = {
    ".nii": "NiftiImageIO",
    ".nii.gz": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
}


def simpleitk(path: Path) -> ModuleType:
    """Import SimpleITK, with its warnings off: what matters here is raised.

    Raises:
        MissingExtraError: If it is not installed; `path` is what needed it.
    """
    try:
        import SimpleITK
    except ImportError as error:
        raise MissingExtraError(
            f"{path} is a volume, which needs a package that is not installed. Install "
            f"it: {install_extra('volumes')}"
        ) from error
    sitk: ModuleType = SimpleITK
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return sitk


def image_io(path: Path) -> str:
    """SimpleITK's reader and writer for a suffix; left alone, it goes by content."""
    return _IMAGE_IOS[split_suffix(path)[1].lower()]
