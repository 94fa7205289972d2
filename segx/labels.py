"""What the numbers of a mask mean: kind, class names, the id to ignore, colours."""

from dataclasses import dataclass
from typing import Literal

from segx.errors import ConfigError

__all__ = ["UNKNOWN", "ClassKind", "Labels", "MaskKind"]

MaskKind = Literal["binary", "multiclass", "multilabel"]
ClassKind = Literal["multiclass", "multilabel"]
"""Whether a whole image is of one class, or may be of several."""

UNKNOWN = -1
"""Stands for the class of an image that nobody has told."""

# Okabe & Ito's palette, which colour-blind readers tell apart; sky blue comes first:
# orange is faint on skin, blood and retina. Black stands for the background.
_COLOURS = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


@dataclass(frozen=True)
class Labels:
    """The meaning of a mask's values.

    Args:
        kind: ``binary`` (ids 0 and 1, one sigmoid logit), ``multiclass`` (ids
            0 … K-1, K softmax logits) or ``multilabel`` (K independent 0/1 planes,
            K sigmoid logits).
        names: One name a class. For ``binary`` and ``multiclass`` the index is the
            id and the first name is the background; for ``multilabel`` there is no
            background and the index is the plane.
        ignore_index: Id of pixels that count neither in the loss nor in a metric.
    """

    kind: MaskKind
    names: tuple[str, ...]
    ignore_index: int | None = None

    def __post_init__(self) -> None:
        least = 1 if self.kind == "multilabel" else 2
        if len(self.names) < least or (self.kind == "binary" and len(self.names) != 2):
            allowed = "2" if self.kind == "binary" else f"at least {least}"
            raise ConfigError(
                f"{len(self.names)} class names given for a {self.kind} mask: "
                f"{list(self.names)}. Name {allowed}, the background included"
                f"{' (multilabel has none)' if self.kind == 'multilabel' else ''}."
            )
        if len(set(self.names)) != len(self.names):
            raise ConfigError(f"Class names must differ: {list(self.names)}.")

    @property
    def logits(self) -> int:
        """Number of channels that a network puts out for these labels."""
        return 1 if self.kind == "binary" else len(self.names)

    @property
    def foreground(self) -> tuple[str, ...]:
        """Names of the classes that metrics are computed for."""
        return self.names if self.kind == "multilabel" else self.names[1:]

    @property
    def colours(self) -> tuple[tuple[int, int, int], ...]:
        """One RGB colour a name, each 0 … 255; the background is black."""
        count = len(self.foreground)
        cycle = tuple(_COLOURS[i % len(_COLOURS)] for i in range(count))
        return cycle if self.kind == "multilabel" else ((0, 0, 0), *cycle)
