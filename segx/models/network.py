"""The whole network: one pass of the encoder, then the decoder and the heads."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segx.errors import ModelError
from segx.models.decoders.decoder import Decoder
from segx.models.encoder import XceptionEncoder
from segx.models.heads import ClassificationHead, SegmentationHead

__all__ = ["Network", "Prediction"]


@dataclass(frozen=True)
class Prediction:
    """What a network says of a batch of images; None for a head that it lacks."""

    mask_logits: Tensor | None
    """Shape (B, k, rows, cols), the images' own size."""
    class_logits: Tensor | None
    """Shape (B, classes)."""
    auxiliary_logits: tuple[Tensor, ...] = ()
    """Coarser mask logits for deep supervision, finest first, in training only. They
    cover the padded images: see `Network`."""


# Exporters take a network apart at its tensors, so they must know what holds them.
torch.export.register_dataclass(Prediction)


class Network(nn.Module):
    """An encoder, and what stands on it: a decoder with a mask head, a classifier.

    Images of any size are padded at the bottom and right to what the decoder needs, by
    reflection (where an image is too small for it, by its edge), and the mask logits
    are cropped back to the image's size. A map coarser than the image is enlarged
    bilinearly. Auxiliary logits keep their own size and cover the padded image.

    Args:
        encoder: Where the features come from.
        decoder: Built on the encoder's ``info``; None for a classifier.
        mask_logits: Channels of the mask logits; given with a decoder only.
        classes: Number of classes to classify images into; None: no classifier.
        dropout: Share that the heads drop before their last layer.
        hidden: Width of the classifier's hidden layer.

    Raises:
        ModelError: If there is neither a mask nor a class to predict, or a decoder
            without mask logits, or the reverse.
    """

    def __init__(
        self,
        encoder: XceptionEncoder,
        *,
        decoder: Decoder | None = None,
        mask_logits: int | None = None,
        classes: int | None = None,
        dropout: float = 0.0,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        _check_parts(decoder, mask_logits=mask_logits, classes=classes)
        self.encoder = encoder
        self.decoder = decoder
        self.mask_head: SegmentationHead | None = None
        self.class_head: ClassificationHead | None = None
        self.auxiliary_heads = nn.ModuleList()
        if decoder is not None and mask_logits is not None:
            self.mask_head = SegmentationHead(
                decoder.out_channels, mask_logits, dropout=dropout
            )
            self.auxiliary_heads.extend(
                SegmentationHead(channels, mask_logits, dropout=dropout)
                for channels in decoder.aux_channels
            )
        if classes is not None:
            self.class_head = ClassificationHead(
                encoder.info.channels[-1], classes, hidden=hidden, dropout=dropout
            )

    def forward(self, image: Tensor) -> Prediction:
        """Predict.

        Args:
            image: Normalised images, shape (B, channels, rows, cols), of any size.

        Raises:
            ModelError: If the images have another number of channels than the encoder,
                or training needs more images or larger ones.
        """
        self.encoder.check_image(image)
        padded = self.pad(image)
        self._check_batch(padded)
        features = self.encoder(padded)
        class_logits = self.class_head(features[-1]) if self.class_head else None
        if self.decoder is None or self.mask_head is None:
            return Prediction(None, class_logits)
        main, *coarser = self.decoder(features)
        logits = self.mask_head(main)
        if self.decoder.stride > 1:
            logits = F.interpolate(logits, size=padded.shape[-2:], mode="bilinear")
        rows, cols = image.shape[-2:]
        auxiliary = tuple(
            head(item)
            for head, item in zip(self.auxiliary_heads, coarser, strict=False)
        )
        return Prediction(logits[..., :rows, :cols], class_logits, auxiliary)

    def pad(self, image: Tensor) -> Tensor:
        """Pad images (B, C, rows, cols) at bottom and right, as the decoder needs."""
        if self.decoder is None:
            return image
        rows, cols = image.shape[-2:]
        down = _side(rows, self.decoder) - rows
        right = _side(cols, self.decoder) - cols
        if not (down or right):
            return image
        mode = "reflect" if down < rows and right < cols else "replicate"
        return F.pad(image, (0, right, 0, down), mode=mode)

    def _check_batch(self, padded: Tensor) -> None:
        """Refuse to train where batch normalisation would see one value a channel."""
        batch, _, rows, cols = padded.shape
        if not self.training or batch > 1:
            return
        if self.decoder is not None and self.decoder.needs_batch:
            raise ModelError(
                f"A training batch of 1 image given; {type(self.decoder).__name__} "
                "normalises pooled pixels over the batch and needs 2 or more. Take a "
                "larger data.batch_size, or another decoder, such as UNet."
            )
        stride = self.encoder.info.output_stride
        if rows <= stride and cols <= stride:
            raise ModelError(
                f"A training batch of 1 image of {rows}x{cols} px given: its deepest "
                "feature is a single pixel, which can't be normalised. Take a "
                f"data.batch_size of 2 or more, or crops larger than {stride} px."
            )


def _check_parts(
    decoder: Decoder | None, *, mask_logits: int | None, classes: int | None
) -> None:
    if (decoder is None) != (mask_logits is None):
        raise ModelError(
            f"Decoder {type(decoder).__name__} and {mask_logits} mask logits given: a "
            "mask needs both, a classifier neither."
        )
    if decoder is None and classes is None:
        raise ModelError(
            "This network predicts nothing: give a decoder and mask logits, or classes."
        )


def _side(length: int, decoder: Decoder) -> int:
    """The least side of at least `length` pixels that a decoder can take."""
    multiple = decoder.multiple
    return -(-max(length, decoder.least) // multiple) * multiple
