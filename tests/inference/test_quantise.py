"""Eight bits: calibrated on tiles, kept with the model, passed over where spoilt."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from segx.artifact import Model
from segx.errors import ArtifactError, MissingExtraError, ModelError
from segx.inference.engines import choices_of_model, torch_reference
from segx.inference.export import passport_of
from segx.inference.loading import load
from segx.inference.parity import flipped_on
from segx.inference.quantise import quantise, quantised_place, read_passport
from tests.inference.exports import THREE, saved_model, spec, tiles

pytest.importorskip("openvino", reason="runs quantised models: segx[openvino]")


def test_without_tiles_there_is_nothing_to_calibrate_on(model: Model) -> None:
    with pytest.raises(ModelError, match="no tiles to calibrate on"):
        quantise(b"", [], passport=passport_of(model), to=[])


def test_a_missing_nncf_is_named_with_its_extra(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[openvino\]"):
        quantise(b"", list(tiles((1, 3, 32, 32))), passport=passport_of(model), to=[])


def test_half_a_quantised_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.int8.xml"
    path.write_text("<net/>")
    with pytest.raises(ArtifactError, match=r"no .*model\.int8\.bin"):
        read_passport(path)
    path.with_suffix(".bin").touch()
    with pytest.raises(ArtifactError, match="can't be read by OpenVINO"):
        read_passport(path)


def test_one_that_can_not_be_used_is_passed_over_aloud(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "export" / "model.int8.xml"
    place.parent.mkdir()
    place.write_text("<net/>")
    with caplog.at_level(logging.WARNING, logger="segx"):
        options = choices_of_model(model, path=tmp_path, device="cpu").options
    assert "int8" not in {option.precision for option in options}
    assert "The quantised model is not used: There is no" in caplog.text


@pytest.mark.slow
def test_nncf_reports_to_nobody() -> None:
    pytest.importorskip("nncf", reason="quantises: segx[openvino]")
    code = (
        "import sys; from segx.inference.quantise import _nncf; nncf = _nncf();"
        "from nncf.telemetry.wrapper import telemetry; print(type(telemetry).__name__,"
        "sys.modules['openvino_telemetry'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["MagicMock", "None"]


@pytest.mark.slow
def test_a_quantised_model_is_found_and_near_and_its_damage_noticed(
    exported: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("nncf", reason="quantises: segx[openvino]")
    model = saved_model(tmp_path, spec())
    place = quantised_place(tmp_path)
    seeded = list(tiles((24, 3, 64, 64)))
    quantise(exported, seeded, passport=passport_of(model), to=[place])
    assert sorted(path.name for path in place.parent.iterdir()) == [
        "model.int8.bin",
        "model.int8.bin.sha256",
        "model.int8.xml",
        "model.int8.xml.sha256",
    ]
    assert read_passport(place) == passport_of(model)

    runtime = load(tmp_path).members.members[0].runtime
    assert runtime.about == "openvino cpu int8"
    held = list(tiles((8, 3, 64, 64), seed=7))
    share = flipped_on(runtime, torch_reference(model), held, THREE)
    assert 0 < share < 0.05  # random weights on noise: more ties than in practice

    with model.source.open("ab") as file:
        file.write(b" ")
    with caplog.at_level(logging.WARNING, logger="segx"):
        options = choices_of_model(model, path=tmp_path, device="cpu").options
    assert "made of other weights" in caplog.text
    assert "int8" not in {option.precision for option in options}

    weights = place.with_suffix(".bin")
    content = bytearray(weights.read_bytes())
    content[100] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match="damaged"):
        read_passport(place)
