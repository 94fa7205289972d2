"""The last layers: from a map to mask logits, from a feature to class logits."""

from torch import Tensor, nn

__all__ = ["ClassificationHead", "SegmentationHead"]


class SegmentationHead(nn.Sequential):
    """Mask logits by one 3x3 convolution.

    Args:
        in_channels: Channels of the decoder's map.
        logits: Channels of the result: one for a binary mask, else one a class.
        dropout: Share of the map's channels that are dropped before.
    """

    def __init__(self, in_channels: int, logits: int, *, dropout: float = 0.0) -> None:
        convolution = nn.Conv2d(in_channels, logits, kernel_size=3, padding=1)
        nn.init.xavier_uniform_(convolution.weight)
        super().__init__(nn.Dropout2d(dropout), convolution)


class ClassificationHead(nn.Module):
    """Class logits: global average pooling, a hidden layer, ReLU, dropout, logits.

    Args:
        in_channels: Channels of the encoder's deepest feature.
        classes: Number of classes.
        hidden: Width of the hidden layer.
        dropout: Share of the hidden values that are dropped.
    """

    def __init__(
        self, in_channels: int, classes: int, *, hidden: int = 256, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.layers = nn.Sequential(
            nn.Linear(in_channels, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )

    def forward(self, feature: Tensor) -> Tensor:
        """Classify.

        Args:
            feature: The deepest feature, shape (B, in_channels, rows, cols).

        Returns:
            Logits, shape (B, classes).
        """
        logits: Tensor = self.layers(self.pool(feature).flatten(1))
        return logits
