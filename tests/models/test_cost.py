"""What is counted is what a network multiplies, and counting changes nothing."""

import torch
from torch import nn

from segx.models.cost import count_macs
from tests.models.narrow import narrow_network


def test_macs_of_a_convolution_are_its_weights_times_its_pixels() -> None:
    plain = nn.Conv2d(3, 8, 3, padding=1)
    assert count_macs(plain, 10) == 3 * 8 * 9 * 100
    depthwise = nn.Conv2d(6, 6, 3, padding=1, stride=2, groups=6)
    assert count_macs(depthwise, 10, channels=6) == 6 * 9 * 25


def test_counting_leaves_the_network_as_it_was() -> None:
    network = narrow_network("UNet").train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert count_macs(network, 64) > count_macs(network.encoder, 64) > 0
    assert network.training
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])
