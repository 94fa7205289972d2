import re
import time

import pytest
import torch

from segx.errors import ModelError
from segx.models.cost import count_macs, count_parameters
from segx.models.decoder_table import decoder_table, describe_decoder
from segx.models.decoders import DECODERS
from segx.models.encoder import XceptionEncoder


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
