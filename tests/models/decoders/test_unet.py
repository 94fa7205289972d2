import pytest
import torch
from torch import nn

from segx.models.cost import count_parameters
from segx.models.decoders.unet import UNet
from segx.models.encoder import FeatureInfo, XceptionEncoder
from tests.models.narrow import narrow_network

FEATURES = FeatureInfo(
    channels=(3, 64, 128, 256, 728, 2048), strides=(1, 2, 4, 8, 16, 32)
)


def test_the_classic_decoder_has_the_classic_number_of_parameters() -> None:
    with torch.device("meta"):
        classic = UNet(FEATURES, reduce=False, image_skip=False)
    coarse, skips = (2048, 256, 128, 64, 32), (728, 256, 128, 64, 0)
    widths = (256, 128, 64, 32, 16)
    expected = sum(
        9 * (a + b) * c + 9 * c * c + 4 * c
        for a, b, c in zip(coarse, skips, widths, strict=True)
    )
    assert count_parameters(classic) == expected


@pytest.mark.parametrize("separable", [False, True])
def test_reducing_and_separating_save_work(separable: bool) -> None:
    with torch.device("meta"):
        sizes = [
            count_parameters(UNet(FEATURES, reduce=reduce, separable=separable))
            for reduce in (False, True)
        ]
        standard = count_parameters(UNet(FEATURES))
        thrifty = count_parameters(UNet(FEATURES, separable=True))
    assert thrifty < standard
    assert sizes[1] < sizes[0] or separable


def test_deep_supervision_maps_are_those_of_the_last_stages() -> None:
    network = narrow_network("UNet", {"deep_supervision": True})
    decoder = network.decoder
    assert decoder is not None
    assert decoder.aux_channels == (32, 64, 128)
    maps = decoder(network.encoder(torch.randn(2, 3, 70, 33)))
    assert [tuple(item.shape[1:]) for item in maps] == [
        (16, 70, 33),
        (32, 35, 17),
        (64, 18, 9),
        (128, 9, 5),
    ]
    assert len(decoder.eval()(network.encoder(torch.randn(1, 3, 70, 33)))) == 1


def test_the_image_reaches_the_last_stage() -> None:
    encoder = XceptionEncoder("xception_narrow", 3)
    features = encoder(torch.randn(2, 3, 32, 32))
    other = [features[0] + 1, *features[1:]]
    for image_skip in (True, False):
        decoder = UNet(encoder.info, image_skip=image_skip).eval()
        same = torch.equal(decoder(features)[0], decoder(other)[0])
        assert same is not image_skip


def test_attention_weighs_channels_and_pixels_of_every_stage() -> None:
    network = narrow_network("UNet", {"attention": "scse"})
    assert network.decoder is not None
    gates = [item for item in network.decoder.modules() if isinstance(item, nn.Sigmoid)]
    assert len(gates) == 2 * 5
