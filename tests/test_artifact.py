"""A model comes back from disk as it was, or is refused with what is wrong with it."""

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segx.artifact import (
    Model,
    ModelSpec,
    build_network,
    check_model,
    load_model,
    read_spec,
    save_model,
    store_spec,
)
from segx.config import Choice, EncoderConfig, HeadConfig, InferenceConfig, ModelConfig
from segx.errors import ArtifactError, ConfigError, ModelError, SegxError
from segx.labels import Labels
from segx.masks.calibration import Calibration
from segx.scans import Intensity


def spec(decoder: str = "UNet", *, channels: int = 1) -> ModelSpec:
    return ModelSpec(
        task="segmentation",
        encoder=EncoderConfig(name="xception_narrow"),
        decoder=Choice(name=decoder),
        head=HeadConfig(),
        in_channels=channels,
        labels=Labels("binary", ("background", "cell")),
        class_names=None,
        intensity=Intensity.for_dtype("uint8", channels, mean=0.5, std=0.5),
        resize=None,
        inference=InferenceConfig(),
    )


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return Model(build_network(spec()).eval(), spec(), Path())


def write_checkpoint(path: Path, model: Model, **more: object) -> Path:
    state = {f"network.{k}": v for k, v in model.network.state_dict().items()}
    values = {"spec": model.spec.model_dump(mode="json")}
    torch.save({"state_dict": state, "hyper_parameters": values, **more}, path)
    return path


def same(first: Model, second: Model) -> bool:
    one, two = first.network.state_dict(), second.network.state_dict()
    return all(torch.equal(one[name], two[name]) for name in one)


def test_a_model_folder_comes_back_as_it_was(model: Model, tmp_path: Path) -> None:
    loaded = load_model(save_model(model, tmp_path / "model"))
    assert loaded.spec == model.spec
    assert same(loaded, model)
    assert not loaded.network.training
    assert read_spec(tmp_path / "model") == model.spec


def test_a_checkpoint_comes_back_as_it_was(model: Model, tmp_path: Path) -> None:
    loaded = load_model(write_checkpoint(tmp_path / "a.ckpt", model))
    assert loaded.spec == model.spec
    assert same(loaded, model)


def test_the_average_is_taken_where_there_is_one(model: Model, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "a.ckpt", model)
    content = torch.load(path, weights_only=True)
    for name, item in model.network.state_dict().items():
        content["state_dict"][f"average.module.{name}"] = torch.ones_like(item)
    torch.save(content, path)
    assert all(
        (item == 1).all() for item in load_model(path).network.state_dict().values()
    )


def test_a_flipped_byte_is_noticed(model: Model, tmp_path: Path) -> None:
    weights = save_model(model, tmp_path) / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match="SHA-256"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["config.yaml", "weights.safetensors"])
def test_a_model_folder_replaces_nothing_but_one(
    name: str, model: Model, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("of a run")
    with pytest.raises(ConfigError, match="not overwritten"):
        save_model(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "of a run"
    folder = save_model(model, tmp_path / "model")
    assert save_model(model, folder) == folder


def test_a_truncated_checkpoint_is_refused(model: Model, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "a.ckpt", model)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ArtifactError, match="damaged"):
        load_model(path)


def test_a_hostile_checkpoint_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return open, (str(marker), "w")

    path = tmp_path / "a.ckpt"
    torch.save({"state_dict": {}, "hyper_parameters": Payload()}, path)
    with pytest.raises(ArtifactError):
        load_model(path)
    path.write_bytes(pickle.dumps(Payload(), protocol=2))
    with pytest.raises(ArtifactError):
        load_model(path)
    assert not marker.exists()


@pytest.mark.parametrize("key", ["_instantiator", "_class_path", "class_path"])
def test_what_a_checkpoint_names_is_not_imported(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = write_checkpoint(tmp_path / "a.ckpt", model)
    content = torch.load(path, weights_only=True)
    content["hyper_parameters"] |= {key: "evil.Module", "hparams_name": "evil.x"}
    torch.save(content, path)
    assert same(load_model(path), model)
    content["hyper_parameters"]["spec"]["decoder"] = {key: "evil.Module"}
    torch.save(content, path)
    with pytest.raises(SegxError):
        load_model(path)
    assert not marker.exists()
    assert "evil" not in sys.modules


def test_another_spec_is_stored_and_the_weights_stay(
    model: Model, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "folder")
    write_checkpoint(tmp_path / "a.ckpt", model, epoch=3)
    calibration = Calibration(1.5, soft_dice=(0.5,), dice=(0.25,), flag_below=0.125)
    changed = model.spec.model_copy(update={"calibration": calibration})
    for path in (tmp_path / "folder", tmp_path / "a.ckpt"):
        store_spec(path, changed)
        loaded = load_model(path)
        assert loaded.spec == changed
        assert same(loaded, model)
    assert torch.load(tmp_path / "a.ckpt", weights_only=True)["epoch"] == 3
    assert (tmp_path / "a.ckpt.sha256").is_file()


def test_a_damaged_checkpoint_is_not_written_anew(model: Model, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "a.ckpt", model)
    store_spec(path, model.spec)
    content = path.read_bytes()[:-1] + b"x"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="SHA-256"):
        store_spec(path, model.spec)
    assert path.read_bytes() == content


def test_tensors_of_another_decoder_are_named(model: Model, tmp_path: Path) -> None:
    other = Model(build_network(spec("FPN")), spec(), Path())
    path = write_checkpoint(tmp_path / "a.ckpt", other)
    with pytest.raises(ArtifactError, match=r"missing \(decoder\."):
        load_model(path)


def test_tensors_for_another_number_of_channels_are_named(
    model: Model, tmp_path: Path
) -> None:
    path = write_checkpoint(tmp_path / "a.ckpt", replace(model, spec=spec(channels=3)))
    shapes = r"2 of another shape \(decoder\.\S+ \(16, 17, 3, 3\) for \(16, 19, 3, 3\)"
    with pytest.raises(ArtifactError, match=shapes):
        load_model(path)


def test_a_foreign_checkpoint_and_a_missing_one_are_said(tmp_path: Path) -> None:
    torch.save({"state_dict": {"x": torch.zeros(1)}}, tmp_path / "a.ckpt")
    with pytest.raises(ArtifactError, match="not one that segx fit wrote"):
        load_model(tmp_path / "a.ckpt")
    with pytest.raises(ArtifactError, match=r"Did you mean .*a\.ckpt"):
        load_model(tmp_path / "b.ckpt")
    with pytest.raises(ArtifactError, match="no trained model"):
        load_model(tmp_path)


def test_a_spec_that_asks_for_a_foreign_class_is_refused(
    model: Model, tmp_path: Path
) -> None:
    path = write_checkpoint(tmp_path / "a.ckpt", model)
    content = torch.load(path, weights_only=True)
    content["hyper_parameters"]["spec"]["decoder"] = {"name": "evil.Decoder"}
    torch.save(content, path)
    with pytest.raises(ConfigError, match="not imported"):
        load_model(path)


@pytest.mark.parametrize(
    ("encoder", "stride", "decoder", "message"),
    [
        ("legacy_xception", 32, "DeepLabV3Plus", "xception41"),
        ("legacy_xception", 16, "UNet", "output"),
        ("xception_41", 32, "UNet", "Did you mean xception41"),
        ("xception41", 32, "Fpn", "Did you mean FPN"),
    ],
)
def test_what_can_not_work_is_refused(
    encoder: str, stride: int, decoder: str, message: str
) -> None:
    chosen = EncoderConfig.model_validate({"name": encoder, "output_stride": stride})
    config = ModelConfig(encoder=chosen, decoder=Choice(name=decoder))
    with pytest.raises(ConfigError, match=message):
        check_model(config, task="segmentation")


def detection(name: str = "RetinaNet", **options: object) -> ModelSpec:
    return spec().model_copy(
        update={
            "task": "detection",
            "decoder": None,
            "detector": Choice(name=name, options=options),
            "labels": Labels("multiclass", ("background", "cell", "debris")),
        }
    )


@pytest.mark.parametrize("name", ["FasterRCNN", "RetinaNet"])
def test_a_detector_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    built = detection(name, channels=32)
    model = Model(build_network(built).eval(), built, Path())
    loaded = load_model(save_model(model, tmp_path / "model"))
    assert loaded.spec == built
    assert same(loaded, model)
    image = torch.rand(1, 1, 33, 70)
    with torch.no_grad():
        found, expected = loaded.network(image), model.network(image)
    assert torch.equal(found[0]["boxes"], expected[0]["boxes"])


def test_a_detector_has_no_logits(tmp_path: Path) -> None:
    model = Model(build_network(detection()), detection(), tmp_path)
    with pytest.raises(ModelError, match="finds boxes"):
        _ = model.logits_network


@pytest.mark.parametrize(
    ("detector", "told"),
    [
        (Choice(name="RetinaNett"), "model.detector: unknown name.*mean RetinaNet"),
        (Choice(name="FasterRCNN", options={"hiden": 3}), "hiden: no such key.*hidden"),
        (Choice(name="FasterRCNN", options={"anchors": [1, 2]}), "anchors"),
        (Choice(name="FasterRCNN", options={"score": "high"}), "score"),
        (Choice(name="torch.nn.Linear"), "not a Detector"),
        (Choice(name="os.path.Join"), "not imported"),
        (None, "detection needs one"),
    ],
)
def test_a_detector_that_can_not_be_built_is_refused(
    detector: Choice | None, told: str
) -> None:
    config = ModelConfig(decoder=None, detector=detector)
    with pytest.raises(ConfigError, match=f"(?s){told}"):
        check_model(config, task="detection")
    check_model(
        ModelConfig(decoder=None, detector=Choice(name="FasterRCNN")), task="detection"
    )
    with pytest.raises(ConfigError, match="legacy_xception can't have an output stri"):
        check_model(
            ModelConfig(
                encoder=EncoderConfig(output_stride=8),
                decoder=None,
                detector=Choice(name="FasterRCNN"),
            ),
            task="detection",
        )
