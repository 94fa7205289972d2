import pytest
import torch

from segx.errors import ModelError
from segx.models.decoders.decoder import Decoder, check_dropout, check_widths
from segx.models.encoder import FeatureInfo

FEATURES = FeatureInfo(channels=(3, 8, 8, 8, 8, 8), strides=(1, 2, 4, 8, 16, 16))


def test_a_decoder_refuses_an_output_stride_that_it_cannot_stand_on() -> None:
    class OnlyCoarse(Decoder):
        output_strides = (32,)

    with pytest.raises(ModelError, match=r"OnlyCoarse can't .* stride 16, only of 32"):
        OnlyCoarse(FEATURES, out_channels=8, stride=4)


def test_a_decoder_that_does_not_decode_says_so() -> None:
    decoder = Decoder(FEATURES, out_channels=8, stride=4)
    with pytest.raises(NotImplementedError):
        decoder([torch.zeros(1, 8, 2, 2)])


def test_options_are_checked_with_the_number_given() -> None:
    check_widths("X", (1, 2), count=2)
    check_dropout("X", 0.0)
    with pytest.raises(ModelError, match=r"X: \[1, -2\] given"):
        check_widths("X", (1, -2), count=2)
    with pytest.raises(ModelError, match=r"X: .* not 1\.5"):
        check_dropout("X", 1.5)
