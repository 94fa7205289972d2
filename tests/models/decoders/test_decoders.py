"""One contract for all decoders, on the narrow encoder; and who stands on whom."""

import inspect
import itertools
import math
import re
from functools import cache
from typing import Any

import pytest
import torch

import segx.models.decoders as package
from segx.errors import ModelError
from segx.models.decoders import DECODERS, Decoder, check_pair
from segx.models.encoder import ENCODERS, FeatureInfo, XceptionEncoder, can_dilate
from segx.models.network import Network
from tests.models.narrow import decoder_on, narrow_network, unlearnt

ON_STRIDES = [
    (name, stride) for name, cls in DECODERS.items() for stride in cls.output_strides
]
SMP = set(DECODERS) - {"UNet"}
FIVE = (24, 20, 16, 16, 16)

# For each option of each decoder a value that must change what the decoder does.
OPTIONS: dict[str, dict[str, Any]] = {
    "UNet": {
        "channels": FIVE,
        "reduce": False,
        "image_skip": False,
        "separable": True,
        "attention": "scse",
        "dropout": 0.5,
        "deep_supervision": True,
    },
    "SmpUnet": {
        "channels": FIVE,
        "norm": "identity",
        "attention": "scse",
        "interpolation": "bilinear",
    },
    "UnetPlusPlus": {
        "channels": FIVE,
        "norm": "instancenorm",
        "attention": "scse",
        "interpolation": "bilinear",
    },
    "MAnet": {
        "channels": FIVE,
        "pab_channels": 8,
        "reduction": 4,
        "norm": "instancenorm",
        "interpolation": "bilinear",
    },
    "Linknet": {"channels": 20, "norm": "instancenorm"},
    "FPN": {
        "pyramid_channels": 40,
        "segmentation_channels": 64,
        "merge": "cat",
        "dropout": 0.0,
        "interpolation": "bilinear",
    },
    "PSPNet": {"channels": 40, "norm": "instancenorm", "dropout": 0.0},
    "DeepLabV3": {
        "channels": 40,
        "atrous_rates": (1, 2, 3),
        "separable": True,
        "dropout": 0.0,
    },
    "DeepLabV3Plus": {
        "channels": 40,
        "atrous_rates": (1, 2, 3),
        "separable": False,
        "dropout": 0.0,
    },
    "PAN": {"channels": 20, "interpolation": "nearest"},
    "UPerNet": {"channels": 40, "norm": "identity"},
    "Segformer": {"channels": 40},
    "DPT": {
        "intermediate_channels": (4, 6, 8, 10),
        "fusion_channels": 12,
        "readout": "cat",
    },
}


@pytest.mark.parametrize(("name", "stride"), ON_STRIDES)
def test_the_map_is_as_declared_and_every_parameter_learns(
    name: str, stride: int
) -> None:
    network = narrow_network(name, output_stride=stride)
    decoder = network.decoder
    assert decoder is not None
    assert decoder.multiple % decoder.stride == 0
    sides = [max(decoder.least, 64), max(decoder.least, 64) + decoder.multiple]
    maps = decoder(network.encoder(torch.randn(2, 3, *sides)))
    size = tuple(side // decoder.stride for side in sides)
    assert [tuple(item.shape) for item in maps] == [(2, decoder.out_channels, *size)]
    maps[0].square().mean().backward()
    assert unlearnt(decoder) == []


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_size_and_channels_train_end_to_end(name: str, channels: int) -> None:
    network = narrow_network(name, channels=channels)
    for size in ((33, 47), (1, 70), (64, 64)):
        logits = network(torch.randn(2, channels, *size)).mask_logits
        assert logits.shape == (2, 2, *size)
        network.zero_grad()
        logits.square().mean().backward()
        assert unlearnt(network) == []


@pytest.mark.parametrize("name", DECODERS)
def test_no_decoder_changes_the_features_that_it_is_given(name: str) -> None:
    network = narrow_network(name)
    assert network.decoder is not None
    features = [item.detach() for item in network.encoder(torch.randn(2, 3, 256, 256))]
    before = [item.clone() for item in features]
    network.decoder(tuple(features))
    for old, new in zip(before, features, strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize(
    "encoder",
    [
        "legacy_xception",
        pytest.param("xception41", marks=pytest.mark.slow),
        pytest.param("xception65p", marks=pytest.mark.slow),
    ],
)
def test_the_full_encoders_keep_the_size_too(encoder: str) -> None:
    with torch.device("meta"):
        bodies = {
            stride: XceptionEncoder(encoder, 1, output_stride=stride)
            for stride in ((16, 32) if can_dilate(encoder) else (32,))
        }
        for name, cls in DECODERS.items():
            body = bodies.get(max(cls.output_strides))
            if body is not None:
                decoder = decoder_on(body.info, name)
                network = Network(body, decoder=decoder, mask_logits=3)
                logits = network(torch.empty(2, 1, 299, 301)).mask_logits
                assert logits.shape == (2, 3, 299, 301), name


@pytest.mark.slow
@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("encoder", ["legacy_xception", "xception41"])
def test_the_full_encoders_learn_under_every_decoder(encoder: str, name: str) -> None:
    stride = max(DECODERS[name].output_strides)
    if stride < 32 and not can_dilate(encoder):
        pytest.skip(f"{name} needs a dilating encoder")
    body = XceptionEncoder(encoder, 3, output_stride=stride)
    decoder = decoder_on(body.info, name)
    network = Network(body, decoder=decoder, mask_logits=1)
    network(torch.randn(2, 3, 65, 47)).mask_logits.square().mean().backward()
    assert unlearnt(network) == []


@pytest.mark.parametrize(
    ("name", "option"),
    [(name, key) for name, table in OPTIONS.items() for key in table],
)
def test_every_option_changes_what_the_decoder_does(name: str, option: str) -> None:
    usual = narrow_network(name)
    other = narrow_network(name, {option: OPTIONS[name][option]})
    assert usual.decoder is not None
    assert other.decoder is not None
    other.encoder.load_state_dict(usual.encoder.state_dict())
    shapes = [
        {key: value.shape for key, value in network.decoder.state_dict().items()}
        for network in (usual, other)
    ]
    side = max(64, usual.decoder.least)
    with torch.no_grad():
        features = usual.encoder(torch.randn(2, 3, side, side))
        torch.manual_seed(1)
        before = usual.decoder(features)
        torch.manual_seed(1)
        after = other.decoder(features)
    changed = (
        shapes[0] != shapes[1]
        or len(before) != len(after)
        or not torch.equal(before[0], after[0])
    )
    assert changed


def test_the_table_above_leaves_no_option_out() -> None:
    for name, cls in DECODERS.items():
        parameters = inspect.signature(cls).parameters.values()
        options = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
        assert options == OPTIONS[name].keys(), name


@pytest.mark.parametrize("name", DECODERS)
def test_every_option_trains_on_any_size(name: str) -> None:
    for option, value in OPTIONS[name].items():
        network = narrow_network(name, {option: value})
        for size in ((1, 1), (33, 47)):
            logits = network(torch.randn(2, 3, *size)).mask_logits
            assert logits.shape == (2, 2, *size), option
            assert logits.isfinite().all(), option


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("UNet", {"channels": (8, 8)}, r"UNet: \[8, 8\] given .* it takes 5 positive"),
        ("UNet", {"channels": (8, 8, 8, 8, 0)}, "positive numbers"),
        ("UNet", {"dropout": 1.0}, r"UNet: dropout is a share in \[0, 1\), not 1.0"),
        ("SmpUnet", {"channels": (8,)}, "SmpUnet: .* takes 5"),
        ("FPN", {"segmentation_channels": 100}, "multiple of 32, not 100"),
        ("DPT", {"intermediate_channels": (1, 2)}, "DPT: .* takes 4"),
        ("PAN", {"channels": 0}, "PAN: .* takes 1 positive"),
        ("PSPNet", {"dropout": -0.1}, "PSPNet: dropout"),
    ],
)
def test_impossible_options_are_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        narrow_network(name, options)


@cache
def features_of(encoder: str, stride: int) -> FeatureInfo | None:
    """What an encoder gives; None if it can't be built."""
    try:
        with torch.device("meta"):
            return XceptionEncoder(encoder, 3, output_stride=stride).info
    except ModelError:
        return None


def can_be_built(encoder: str, stride: int, name: str) -> bool:
    features = features_of(encoder, stride)
    if features is None:
        return False
    try:
        with torch.device("meta"):
            decoder_on(features, name)
    except ModelError:
        return False
    return True


@pytest.mark.parametrize("name", DECODERS)
def test_a_pair_is_refused_exactly_if_it_cannot_be_built(name: str) -> None:
    for encoder, stride in itertools.product(ENCODERS, (8, 16, 32)):
        try:
            check_pair(encoder, stride, name)
        except ModelError as refusal:
            assert not can_be_built(encoder, stride, name)
            offer = re.search(r"encoder (\w+) with output_stride (\d+)", str(refusal))
            if offer:
                check_pair(offer[1], int(offer[2]), name)
            else:
                assert not can_dilate(encoder)
        else:
            assert can_be_built(encoder, stride, name)


def test_a_pair_may_be_given_as_a_class_and_unknown_names_are_refused() -> None:
    check_pair("xception41", 16, DECODERS["DeepLabV3"])
    with pytest.raises(ModelError, match=r"no decoder 'Unet'\. Take one of UNet,"):
        check_pair("xception41", 16, "Unet")
    with pytest.raises(ModelError, match="no encoder 'resnet34'"):
        check_pair("resnet34", 32, "UNet")


def test_all_decoders_are_there_and_say_where_they_come_from() -> None:
    assert len(SMP) == 12
    assert "Decoder" in package.__all__
    for name, cls in DECODERS.items():
        assert issubclass(cls, Decoder)
        assert cls.source == ("segmentation-models-pytorch" if name in SMP else "segx")
        assert re.search(r"(19|20)\d\d, (doi:10\.|arXiv:)", cls.reference), name


def test_sides_are_padded_no_further_than_needed() -> None:
    # 299 px: to 320 where maps are doubled, to 304 at stride 16, not at all by ours.
    expected = {"UNet": 299, "FPN": 320, "DeepLabV3Plus": 304, "Segformer": 320}
    for name, side in expected.items():
        decoder = narrow_network(name).decoder
        assert decoder is not None
        padded = (
            math.ceil(max(299, decoder.least) / decoder.multiple) * decoder.multiple
        )
        assert padded == side
