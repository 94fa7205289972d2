"""What every decoder is: features of an encoder in, one map out."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from segx.errors import ModelError
from segx.models.encoder import OUTPUT_STRIDES, FeatureInfo

__all__ = ["Decoder", "check_dropout", "check_widths"]


class Decoder(nn.Module):
    """Base of all decoders: it says what it needs, and what it gives.

    Args:
        features: Channels and strides of the encoder's features.
        out_channels: Channels of the map that it returns.
        stride: Input pixels for one pixel of that map.
        multiple: The input's rows and columns must be a multiple of it; itself a
            multiple of `stride`.
        least: Least rows and columns of the input.
        needs_batch: Whether it normalises single pixels over the batch, so that it
            can't be trained on one image at a time.
        aux_channels: Channels of each further map that it returns in training.

    Raises:
        ModelError: If it can't stand on the encoder's output stride.
    """

    output_strides: ClassVar[tuple[int, ...]] = OUTPUT_STRIDES
    """Output strides of the encoders that it can stand on."""
    source: ClassVar[str] = "segx"
    """Whose code it is."""
    reference: ClassVar[str] = ""
    """Paper and DOI of the design."""

    def __init__(
        self,
        features: FeatureInfo,
        *,
        out_channels: int,
        stride: int,
        multiple: int = 1,
        least: int = 1,
        needs_batch: bool = False,
        aux_channels: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        if features.output_stride not in self.output_strides:
            raise ModelError(
                f"{type(self).__name__} can't stand on an encoder of output stride "
                f"{features.output_stride}, only of "
                f"{' or '.join(map(str, self.output_strides))}."
            )
        self.out_channels = out_channels
        self.stride = stride
        self.multiple = multiple
        self.least = least
        self.needs_batch = needs_batch
        self.aux_channels = aux_channels

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Decode.

        Args:
            features: The encoder's features, finest first, of an image whose sides are
                multiples of `multiple` and at least `least`.

        Returns:
            The map (B, out_channels, rows / stride, cols / stride); in training then
            the maps for deep supervision, finest first, if the decoder has any.
        """
        raise NotImplementedError


def check_widths(decoder: str, widths: Sequence[int], *, count: int) -> None:
    """Refuse channels that are not `count` positive numbers.

    Raises:
        ModelError: With what was given.
    """
    if len(widths) != count or min(widths) < 1:
        raise ModelError(
            f"{decoder}: {list(widths)} given for channels; it takes {count} "
            "positive numbers."
        )


def check_dropout(decoder: str, dropout: float) -> None:
    """Refuse a share that is not in [0, 1).

    Raises:
        ModelError: With what was given.
    """
    if not 0 <= dropout < 1:
        raise ModelError(f"{decoder}: dropout is a share in [0, 1), not {dropout}.")
