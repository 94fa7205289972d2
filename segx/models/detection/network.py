"""The whole detection network: one pass of the encoder, then a detector."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from segx.errors import ModelError
from segx.models.detection.detector import Detector
from segx.models.encoder import XceptionEncoder

__all__ = ["DetectionNetwork", "Targets"]

Targets = Sequence[tuple[Tensor, Tensor]]
"""Of each image its boxes (n, 4), in pixels, and the ids of their classes (n,), from
1; n may be 0."""


class DetectionNetwork(nn.Module):
    """An encoder, and a detector on it.

    Images of any size are padded at the bottom and right by their edge, to a multiple
    of the detector's coarsest stride; boxes are in the image's own pixels and end at
    its border. Images are neither resized nor normalised here.

    Args:
        encoder: Where the features come from.
        detector: Built on the encoder's ``info``.
    """

    def __init__(self, encoder: XceptionEncoder, detector: Detector) -> None:
        super().__init__()
        self.encoder = encoder
        self.detector = detector

    def forward(self, image: Tensor) -> list[dict[str, Tensor]]:
        """Find objects, in evaluation mode.

        Args:
            image: Normalised images, shape (B, channels, rows, cols), of any size.

        Returns:
            For each image ``boxes`` (n, 4): left, top, right and bottom in its pixels,
            ``labels`` (n,) from 1 and ``scores`` (n,), the best first.

        Raises:
            ModelError: If the images have another number of channels than the encoder,
                or the network is in training mode.
        """
        if self.training:
            raise ModelError("A detector in training mode finds nothing: call eval().")
        found, _ = self.detector(*self._seen(image), None)
        return [_with_area(item) for item in found]

    def losses(self, image: Tensor, targets: Targets) -> dict[str, Tensor]:
        """The losses of a batch by name, in training mode; their sum is learnt from.

        Args:
            image: As for `forward`.
            targets: The true objects of each image.

        Raises:
            ModelError: As for `forward`, with the modes exchanged.
        """
        if not self.training:
            raise ModelError("Losses are of a network in training mode: call train().")
        named = [{"boxes": boxes, "labels": ids} for boxes, ids in targets]
        losses: dict[str, Tensor] = self.detector(*self._seen(image), named)[1]
        return losses

    def _seen(self, image: Tensor) -> tuple[list[Tensor], ImageList]:
        """The features of the padded images, and these with their own sizes."""
        self.encoder.check_image(image)
        rows, cols = image.shape[-2:]
        multiple = self.detector.multiple
        padding = (0, -cols % multiple, 0, -rows % multiple)
        padded = F.pad(image, padding, mode="replicate") if any(padding) else image
        images = ImageList(padded, [(rows, cols)] * len(image))
        return self.encoder(padded), images


def _with_area(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without boxes of which nothing lies within the image."""
    boxes = found["boxes"]
    inside = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    return {name: item[inside] for name, item in found.items()}
