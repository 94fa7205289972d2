import re
import time

import pytest
import torch
from torch import nn

from segx.errors import ModelError
from segx.models.anatomy import (
    count_macs,
    count_parameters,
    decoder_table,
    describe_decoder,
)
from segx.models.decoders import DECODERS
from segx.models.encoder import XceptionEncoder
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


def test_the_table_has_every_decoder_and_costs_little_time() -> None:
    before = time.process_time()
    table = decoder_table("xception41", size=512)
    assert time.process_time() - before < 5
    assert [row.name for row in table] == list(DECODERS)
    for row in table:
        assert row.summary.endswith(".")
        assert row.parameters > 0
        assert row.macs > 0
        assert row.output_stride in row.output_strides
        assert row.encoder == "xception41"


def test_our_decoder_costs_less_than_the_encoder_and_than_smps() -> None:
    with torch.device("meta"):
        encoder = XceptionEncoder("legacy_xception", 3)
    ours = describe_decoder("UNet", encoder="legacy_xception", size=256)
    theirs = describe_decoder("SmpUnet", encoder="legacy_xception", size=256)
    assert ours.macs < 0.6 * theirs.macs
    assert ours.macs < 0.5 * count_macs(encoder, 256)
    assert ours.parameters < 0.2 * count_parameters(encoder)


def test_options_are_told_with_type_default_and_meaning() -> None:
    options = {option.name: option for option in describe_decoder("FPN").options}
    assert options["merge"].allowed == "add | cat"
    assert options["merge"].default == "add"
    assert "concatenate" in options["merge"].meaning
    assert options["dropout"].allowed == "float"
    unet = {option.name: option for option in describe_decoder("UNet").options}
    assert unet["attention"].allowed == "scse | null"
    assert unet["channels"].allowed == "list of int"
    rates = {o.name: o.allowed for o in describe_decoder("DeepLabV3").options}
    assert rates["atrous_rates"] == "list of 3 of int"


@pytest.mark.parametrize("name", DECODERS)
def test_every_option_has_a_meaning(name: str) -> None:
    for option in describe_decoder(name).options:
        assert re.fullmatch(r"\S.*[.]", option.meaning), option.name


def test_a_decoder_is_measured_where_it_can_stand() -> None:
    row = describe_decoder("DeepLabV3", encoder="legacy_xception", size=256)
    assert (row.encoder, row.output_stride) == ("xception41", 16)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ModelError, match="no decoder 'FNP'"):
        describe_decoder("FNP")
    with pytest.raises(ModelError, match="no encoder 'resnet34'"):
        decoder_table("resnet34")
