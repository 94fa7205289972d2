"""The suffix of a file's name, which may have two parts."""

from pathlib import Path
from urllib.parse import quote

from segx.labels import Labels

__all__ = ["class_files", "split_suffix", "suffix_of"]

_DOUBLE = (".nii.gz", ".ome.tif", ".ome.tiff", ".ome.zarr")


def split_suffix(path: Path) -> tuple[str, str]:
    """Split a name into its stem and its suffix, each as it is spelt.

    Examples:
        >>> split_suffix(Path("scans/a.NII.gz"))
        ('a', '.NII.gz')
        >>> split_suffix(Path("a.b.png"))
        ('a.b', '.png')
    """
    name = path.name
    for suffix in _DOUBLE:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)], name[-len(suffix) :]
    return path.stem, path.suffix


def suffix_of(path: Path) -> str:
    """The suffix by which a scan's format is known, in lower case.

    Examples:
        >>> suffix_of(Path("case.7.OME.tif")), suffix_of(Path("case.7.png"))
        ('.ome.tif', '.png')
    """
    return split_suffix(path)[1].lower()


def class_files(path: Path, labels: Labels) -> tuple[Path, ...]:
    """The file itself; of a multilabel mask ``<stem>.<class><suffix>``, one a class.

    Characters of a class name that a file name can't hold are percent-encoded.
    """
    if labels.kind != "multilabel":
        return (path,)
    stem, suffix = split_suffix(path)
    classes = [quote(name, safe=" ") for name in labels.names]
    return tuple(path.with_name(f"{stem}.{name}{suffix}") for name in classes)
