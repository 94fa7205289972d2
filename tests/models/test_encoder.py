import math
import re

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segx.errors import ModelError
from segx.models.encoder import (
    ENCODERS,
    XceptionEncoder,
    adapt_state_dict,
    adapt_stem,
    can_dilate,
    check_encoder,
    encoder_normalisation,
)
from tests.models.narrow import unlearnt

PAIRS = [
    (name, stride)
    for name in ENCODERS
    for stride in ((8, 16, 32) if can_dilate(name) else (32,))
]
CHANNELS = {
    "legacy_xception": (64, 128, 256, 728, 2048),
    "xception_narrow": (24, 32, 48, 64, 96),
}
FULL = [name for name in ENCODERS if name != "xception_narrow"]


def encoder_of(name: str, channels: int = 3, *, stride: int = 32) -> XceptionEncoder:
    torch.manual_seed(0)
    return XceptionEncoder(name, channels, output_stride=stride)


@settings(max_examples=25)
@given(
    rows=st.integers(1, 70),
    cols=st.integers(1, 70),
    channels=st.integers(1, 5),
    stride=st.sampled_from((8, 16, 32)),
)
def test_a_feature_has_exactly_the_ceiling_of_the_size_over_its_stride(
    rows: int, cols: int, channels: int, stride: int
) -> None:
    encoder = encoder_of("xception_narrow", channels, stride=stride).eval()
    image = torch.rand(1, channels, rows, cols)
    features = encoder(image)
    assert features[0] is image
    assert encoder.info.strides == tuple(min(2**i, stride) for i in range(6))
    for feature, count, step in zip(
        features, encoder.info.channels, encoder.info.strides, strict=True
    ):
        assert feature.shape == (
            1,
            count,
            math.ceil(rows / step),
            math.ceil(cols / step),
        )


@pytest.mark.parametrize(("name", "stride"), PAIRS)
def test_every_encoder_keeps_that_law(name: str, stride: int) -> None:
    with torch.device("meta"):
        encoder = XceptionEncoder(name, 4, output_stride=stride)
    expected = CHANNELS.get(name, (128, 256, 728, 1024, 2048))
    assert encoder.info.channels == (4, *expected)
    assert encoder.info.output_stride == stride
    for rows, cols in ((299, 301), (1, 64)):
        image = torch.empty(2, 4, rows, cols, device="meta")
        for i, feature in enumerate(encoder(image)):
            step = min(2**i, stride)
            size = (math.ceil(rows / step), math.ceil(cols / step))
            assert feature.shape == (2, encoder.info.channels[i], *size)


@pytest.mark.parametrize("name", ["xception_narrow", "legacy_xception", "xception41p"])
def test_features_have_passed_their_relu_and_the_last_is_timms(name: str) -> None:
    encoder = encoder_of(name).eval()
    image = torch.randn(1, 3, 40, 33)
    with torch.no_grad():
        features = encoder(image)
        expected = encoder.body.forward_features(image)
    for feature in features[1:]:
        assert feature.min() == 0
        assert feature.max() > 0
    torch.testing.assert_close(features[-1], expected)


def test_a_tap_before_the_last_reduction_is_what_that_convolution_sees() -> None:
    encoder = encoder_of("xception_narrow").eval()
    seen = []
    for index in (0, 1, 2, 4):
        last = encoder.body.blocks[index].stack.conv3
        last.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    features = encoder(torch.randn(1, 3, 40, 33))
    for feature, given_to in zip(features[1:5], seen, strict=True):
        torch.testing.assert_close(feature, given_to)


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_every_parameter_of_the_narrow_encoder_learns(stride: int) -> None:
    encoder = encoder_of("xception_narrow", stride=stride)
    sum(f.square().mean() for f in encoder(torch.randn(2, 3, 64, 64))[1:]).backward()
    assert unlearnt(encoder) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stride"), PAIRS)
def test_every_parameter_of_every_encoder_learns_from_the_last_feature(
    name: str, stride: int
) -> None:
    encoder = encoder_of(name, stride=stride)
    encoder(torch.randn(2, 3, 65, 47))[-1].square().mean().backward()
    assert unlearnt(encoder) == []


@pytest.mark.parametrize("name", [name for name in ENCODERS if can_dilate(name)])
def test_dilation_changes_no_tensor(name: str) -> None:
    with torch.device("meta"):
        shapes = [
            {
                key: value.shape
                for key, value in encoder_of(name, stride=stride).state_dict().items()
            }
            for stride in (8, 16, 32)
        ]
    assert shapes[0] == shapes[1] == shapes[2]


def test_dilation_leaves_the_finer_features_alone() -> None:
    coarse, fine = (
        encoder_of("xception_narrow", stride=stride).eval() for stride in (32, 8)
    )
    fine.load_state_dict(coarse.state_dict())
    image = torch.randn(1, 3, 50, 33)
    for old, new in list(zip(coarse(image), fine(image), strict=True))[:4]:
        torch.testing.assert_close(old, new)


@given(
    trained=st.integers(1, 5), channels=st.integers(1, 9), seed=st.integers(0, 2**16)
)
def test_equal_channels_mean_the_same_to_an_adapted_stem(
    trained: int, channels: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(4, trained, 3, 3, generator=generator)
    grey = torch.randn(1, 1, 6, 5, generator=generator)
    before = torch.conv2d(grey.expand(-1, trained, -1, -1), weight)
    adapted = adapt_stem(weight, channels)
    assert adapted.shape == (4, channels, 3, 3)
    after = torch.conv2d(grey.expand(-1, channels, -1, -1), adapted)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 4])
def test_one_grey_channel_behaves_as_three_equal_ones(channels: int) -> None:
    trained = encoder_of("xception_narrow", 3).eval()
    encoder = XceptionEncoder("xception_narrow", channels).eval()
    encoder.load_state_dict(adapt_state_dict(encoder, trained.body.state_dict()))
    grey = torch.randn(2, 1, 33, 20)
    old = trained(grey.expand(-1, 3, -1, -1))[1:]
    new = encoder(grey.expand(-1, channels, -1, -1))[1:]
    for before, after in zip(old, new, strict=True):
        torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "prefix", ["", "module.", "encoder.body.", "network.encoder.body."]
)
def test_weights_load_from_below_any_prefix_and_other_tensors_are_dropped(
    prefix: str,
) -> None:
    trained = encoder_of("xception_narrow", 3)
    state = {prefix + key: value for key, value in trained.body.state_dict().items()}
    surplus = {
        "head.fc.weight": torch.zeros(3, 96),
        "decoder.conv1.weight": torch.ones(1),
    }
    encoder = XceptionEncoder("xception_narrow", 3)
    encoder.load_state_dict(adapt_state_dict(encoder, state | surplus), strict=True)
    for key, value in trained.state_dict().items():
        assert torch.equal(encoder.state_dict()[key], value), key


def test_weights_without_batch_counts_load() -> None:
    trained = encoder_of("xception_narrow", 3)
    state = {
        key: value
        for key, value in trained.body.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    encoder = XceptionEncoder("xception_narrow", 3)
    encoder.load_state_dict(adapt_state_dict(encoder, state), strict=True)


def test_weights_of_another_encoder_are_refused_with_numbers() -> None:
    encoder = encoder_of("xception_narrow")
    count = len(encoder.body.state_dict())
    with pytest.raises(ModelError, match=rf"of its {count} tensors .* are missing"):
        adapt_state_dict(encoder, {"conv1.weight": torch.zeros(32, 3, 3, 3)})
    state = encoder.body.state_dict() | {
        "blocks.0.shortcut.conv.weight": torch.zeros(1)
    }
    expected = "0 are missing and 1 have another shape, such as 'blocks.0.shortcut"
    with pytest.raises(ModelError, match=re.escape(expected)):
        adapt_state_dict(encoder, state)


@pytest.mark.parametrize("name", FULL)
def test_a_timm_classifiers_state_fits_key_by_key(name: str) -> None:
    with torch.device("meta"):
        state = timm.create_model(name, num_classes=10).state_dict()
        for stride in (8, 32) if can_dilate(name) else (32,):
            encoder = XceptionEncoder(name, 3, output_stride=stride)
            adapted = adapt_state_dict(encoder, state)
            assert adapted.keys() == encoder.state_dict().keys()
    dropped = len(state) - len(adapted)
    assert dropped == 2  # the classifier's weight and bias


def test_the_legacy_stem_is_padded_and_its_keys_are_timms() -> None:
    with torch.device("meta"):
        ours = XceptionEncoder("legacy_xception", 3)
        timms = timm.create_model("legacy_xception", num_classes=0)
    assert list(ours.body.state_dict()) == list(timms.state_dict())
    assert ours.body.conv1.padding == ours.body.conv2.padding == (1, 1)


def test_what_does_not_exist_is_refused_and_what_does_is_named() -> None:
    with pytest.raises(ModelError, match=r"no encoder 'xception'.*legacy_xception"):
        XceptionEncoder("xception", 3)
    with pytest.raises(
        ModelError, match=r"legacy_xception can't .* 16, only 32.*xception41"
    ):
        XceptionEncoder("legacy_xception", 3, output_stride=16)
    with pytest.raises(ModelError, match="stride of 4, only 8 or 16 or 32"):
        check_encoder("xception65", 4)
    with pytest.raises(ModelError, match="0 channels given"):
        XceptionEncoder("xception_narrow", 0)
    with pytest.raises(ModelError, match="no encoder"):
        encoder_normalisation("resnet34")


@pytest.mark.parametrize("name", FULL)
def test_the_normalisation_is_the_one_of_the_imagenet_weights(name: str) -> None:
    config = timm.get_pretrained_cfg(name).to_dict()
    mean, std = encoder_normalisation(name)
    assert config["mean"] == (mean,) * 3
    assert config["std"] == (std,) * 3
