"""A file is what segx export wrote, or is refused with what is wrong with it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segx.errors import ArtifactError, ConfigError, SegxError
from segx.inference.exported import (
    ExportedModel,
    Passport,
    exported_place,
    is_exported,
)
from segx.inference.quantise import quantised_place
from tests.inference.exports import spec

onnx = pytest.importorskip("onnx", reason="writes ONNX files: segx[onnx]")
pytest.importorskip("onnxruntime", reason="runs ONNX files: segx[onnx]")


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    """A copy without a digest beside it."""
    return Path(shutil.copy(exported, tmp_path / "a.onnx"))


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    proto = onnx.load(path)
    change(proto)
    onnx.save(proto, path)
    return path


def test_a_passport_comes_back_as_it_was() -> None:
    passport = Passport(spec(), "1.2.3", "abc")
    assert Passport.from_text(passport.as_text(), source=Path("a")) == passport


def test_a_flipped_byte_is_noticed(exported: Path, copied: Path) -> None:
    shutil.copy(f"{exported}.sha256", copied.with_name("a.onnx.sha256"))
    content = bytearray(copied.read_bytes())
    content[len(content) // 2] ^= 1
    copied.write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match=r"a\.onnx is damaged: its SHA-256"):
        ExportedModel.read(copied)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(copied: Path, share: float) -> None:
    content = copied.read_bytes()
    copied.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ArtifactError, match=r"a\.onnx"):
        ExportedModel.read(copied)


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_text("not a model")
    with pytest.raises(ArtifactError, match="can't be read as an ONNX model"):
        ExportedModel.read(path)
    with pytest.raises(ArtifactError, match="no model at"):
        ExportedModel.read(tmp_path / "b.onnx")


def test_a_foreign_network_is_refused(copied: Path) -> None:
    changed(copied, lambda proto: proto.ClearField("metadata_props"))
    with pytest.raises(ArtifactError, match="not one that segx export wrote"):
        ExportedModel.read(copied)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "damaged"), ('{"task": "segmentation"}', "describes no")],
)
def test_a_spoilt_spec_is_refused(copied: Path, text: str, message: str) -> None:
    changed(
        copied,
        lambda proto: onnx.helper.set_model_props(
            proto, {"segx.spec": text, "segx.version": "0", "segx.weights_sha256": ""}
        ),
    )
    with pytest.raises(ArtifactError, match=message):
        ExportedModel.read(copied)


def test_another_number_of_channels_is_noticed(copied: Path) -> None:
    def one_channel(proto: Any) -> None:
        other = spec().model_copy(update={"in_channels": 1})
        onnx.helper.set_model_props(proto, Passport(other, "0", "").as_text())

    with pytest.raises(ArtifactError, match="1 channels, and its network reads 3"):
        ExportedModel.read(changed(copied, one_channel))


def test_a_network_with_two_outputs_is_none_of_ours(copied: Path) -> None:
    def second_output(proto: Any) -> None:
        more = proto.graph.output.add()
        more.CopyFrom(proto.graph.output[0])
        more.name = proto.graph.node[0].output[0]

    with pytest.raises(ArtifactError, match="1 inputs and 2 outputs"):
        ExportedModel.read(changed(copied, second_output))


def test_weights_outside_the_models_folder_are_not_read(copied: Path) -> None:
    def outside(proto: Any) -> None:
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../../etc/passwd")

    proto = onnx.load(copied)
    outside(proto)
    copied.write_bytes(proto.SerializeToString())
    with pytest.raises(SegxError):
        ExportedModel.read(copied)


def test_a_device_that_is_not_there_is_said(exported: Path) -> None:
    with pytest.raises(ConfigError, match=r"'mps' here, only cpu"):
        ExportedModel.read(exported, device="mps")
    assert ExportedModel.read(exported, device="cpu").runtime.device == "cpu"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("a/b.onnx", "a/b.onnx"),
        ("runs/a/checkpoints/best.ckpt", "runs/a/export/model.onnx"),
        ("a/weights.safetensors", "a/export/model.onnx"),
    ],
)
def test_an_export_and_its_quantised_form_stand_with_the_model(
    path: str, place: str
) -> None:
    assert exported_place(Path(path)) == Path(place)
    assert quantised_place(Path(path)) == Path(place).with_suffix(".int8.xml")


def test_a_folder_keeps_its_export_inside(tmp_path: Path) -> None:
    assert exported_place(tmp_path) == tmp_path / "export" / "model.onnx"


def test_a_suffix_tells() -> None:
    assert is_exported(Path("a.ONNX"))
    assert not is_exported(Path("runs/onnx"))
