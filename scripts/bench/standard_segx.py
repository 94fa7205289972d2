"""segx, with standard convolutions where its encoder has separable ones.

    python scripts/bench/standard_segx.py fit -c unet --data.root DIR --name standard

Takes the commands of segx; a run that it trained must be tested with it too. Written
for `separable.py`.
"""

import sys
from unittest import mock

from torch import nn

from segx import artifact
from segx.cli.main import main
from segx.models.anatomy import standard_twin
from segx.models.encoder import XceptionEncoder

__all__ = ["standard_encoder", "with_standard_convolutions"]


def standard_encoder(
    name: str, in_channels: int, *, output_stride: int = 32
) -> XceptionEncoder:
    """What `XceptionEncoder` builds, with standard convolutions."""
    encoder = XceptionEncoder(name, in_channels, output_stride=output_stride)
    return with_standard_convolutions(encoder)


def with_standard_convolutions(encoder: XceptionEncoder) -> XceptionEncoder:
    """The standard twin; new convolutions start as timm starts legacy_xception's."""
    twin = standard_twin(encoder)
    for name, module in twin.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        before = encoder.get_submodule(name)
        if module.weight.shape != before.weight.shape:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return twin


if __name__ == "__main__":
    # All networks, those to train and those that are loaded, are built in this module.
    with mock.patch.object(artifact, "XceptionEncoder", standard_encoder):
        sys.exit(main(sys.argv[1:]))
