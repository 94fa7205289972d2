"""What is counted equals the formulas, and the parts add up to the whole."""

import copy
from fractions import Fraction

import pytest
import torch
from torch import nn

from segx.errors import ModelError
from segx.models.anatomy import dissect, folded, standard_twin
from segx.models.cost import count_macs, count_parameters
from segx.models.encoder import ENCODERS, XceptionEncoder


def check_costs(encoder: XceptionEncoder, size: int) -> None:
    """Hold every block's counts against the formulas, written out anew."""
    anatomy = dissect(encoder, size)
    for block in anatomy.blocks:
        for layer in block.separable:
            n, c, k = layer.out_channels, layer.in_channels, layer.spatial.kernel
            pixels = layer.spatial.extent.pixels
            assert layer.macs == pixels * c * (k**2 + n)
            assert layer.standard.macs == pixels * c * k**2 * n
            assert Fraction(layer.macs, layer.standard.macs) == layer.theory
            assert layer.theory == Fraction(1, n) + Fraction(1, k**2)
        assert block.ratio == block.theory
    shadow = copy.deepcopy(encoder).to("meta")
    twin = standard_twin(shadow)
    channels = encoder.in_channels
    assert anatomy.macs == count_macs(shadow, size, channels=channels)
    assert anatomy.standard_macs == count_macs(twin, size, channels=channels)
    parts = sum(block.parameters for block in anatomy.blocks)
    assert parts == anatomy.parameters == count_parameters(encoder)
    parts = sum(block.standard_parameters for block in anatomy.blocks)
    assert parts == anatomy.standard_parameters == count_parameters(twin)


@pytest.mark.parametrize("stride", [8, 32])
@pytest.mark.parametrize("size", [1, 33, 128])
def test_counts_equal_the_formulas_and_add_up(stride: int, size: int) -> None:
    encoder = XceptionEncoder("xception_narrow", 2, output_stride=stride)
    check_costs(encoder, size)


def test_counts_of_chollets_encoder_equal_the_formulas() -> None:
    encoder = XceptionEncoder("legacy_xception", 3)
    check_costs(encoder, 299)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("size", [97, 299, 512])
def test_counts_of_every_encoder_equal_the_formulas(name: str, size: int) -> None:
    encoder = XceptionEncoder(name, 3)
    check_costs(encoder, size)


def test_dissecting_leaves_the_encoder_as_it_was() -> None:
    encoder = XceptionEncoder("xception_narrow", 3).train()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    image = torch.rand(2, 3, 64, 64)
    dissect(encoder, 64)
    assert encoder.training
    assert all(not module._forward_hooks for module in encoder.modules())
    for key, value in encoder.state_dict().items():
        assert torch.equal(value, before[key])
    assert encoder(image)[-1].shape == (2, 96, 2, 2)


def test_sizes_are_those_of_a_real_run() -> None:
    encoder = XceptionEncoder("xception_narrow", 3).eval()
    features = encoder(torch.rand(1, 3, 77, 77))
    found = dissect(encoder, 77).features
    assert [(c, e.rows, e.cols) for c, e in found] == [f.shape[1:] for f in features]


def test_alike_blocks_fold_and_nothing_gets_lost() -> None:
    anatomy = dissect(XceptionEncoder("legacy_xception", 3), 64)
    runs = folded(anatomy.blocks)
    assert [len(run) for run in runs] == [1, 1, 1, 1, 8, 1, 1]
    assert [block for run in runs for block in run] == list(anatomy.blocks)


def test_the_twin_has_no_depthwise_convolution_and_features_of_the_same_shape() -> None:
    encoder = XceptionEncoder("xception_narrow", 3, output_stride=8).eval()
    twin = standard_twin(encoder).eval()
    image = torch.rand(1, 3, 50, 70)
    shapes = [feature.shape for feature in encoder(image)]
    assert [feature.shape for feature in twin(image)] == shapes
    convolutions = [m for m in twin.modules() if isinstance(m, nn.Conv2d)]
    assert {convolution.groups for convolution in convolutions} == {1}
    assert {m.kernel_size for m in convolutions} == {(1, 1), (3, 3)}
    before = encoder.state_dict()
    kept = [key for key in twin.state_dict() if key.endswith("shortcut.conv.weight")]
    assert kept
    assert all(torch.equal(twin.state_dict()[key], before[key]) for key in kept)


def test_an_impossible_size_is_refused() -> None:
    with pytest.raises(ModelError, match="0 px given; a side has 1 px or more"):
        dissect(XceptionEncoder("xception_narrow", 3), 0)
