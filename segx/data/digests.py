"""What the images of a data set are, byte for byte, whatever they are called."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from segx.atomic import sha256
from segx.data.case import Case
from segx.environment import usable_cores
from segx.errors import ScanError
from segx.scans.files import files_of

__all__ = ["identical_cases", "image_digests"]


def image_digests(cases: Iterable[Case]) -> dict[str, str]:
    """SHA-256 of each case's image by case id; every file is read once.

    A case whose image can't be read has none; the survey tells what is wrong with it.
    """
    listed = tuple(cases)
    # Hashing lets go of the interpreter's lock, so threads read and hash side by side.
    with ThreadPoolExecutor(min(8, usable_cores())) as pool:
        digests = pool.map(_digest, listed)
        pairs = zip(listed, digests, strict=True)
        return {case.id: digest for case, digest in pairs if digest is not None}


def identical_cases(digests: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Ids of the cases whose images are the same, two or more each.

    Examples:
        >>> identical_cases({"a": "6b86", "b": "d473", "c": "6b86"})
        [('a', 'c')]
    """
    by_digest = defaultdict(list)
    for name, digest in digests.items():
        by_digest[digest].append(name)
    return [tuple(names) for names in by_digest.values() if len(names) > 1]


def _digest(case: Case) -> str | None:
    """The digest of the image's bytes; of several files, of their digests in order."""
    try:
        found = [sha256(file) for path in case.images for file in files_of(path)]
    except (OSError, ScanError):
        return None
    if len(found) < len(case.images):
        return None  # an empty folder
    if len(found) == 1:
        return found[0]
    return hashlib.sha256("".join(found).encode()).hexdigest()
