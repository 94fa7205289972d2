"""Every engine gives torch's logits in float32, and the fastest one is taken."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segx.artifact import Model
from segx.errors import ConfigError, MissingExtraError, ModelError, OutOfMemoryError
from segx.inference import engines
from segx.inference.engines import (
    Choices,
    Option,
    choices_of_exported,
    choices_of_model,
    options_here,
    torch_reference,
)
from segx.inference.exported import ExportedModel
from segx.inference.loading import load
from segx.inference.parity import flipped_share
from segx.inference.runtimes import Runtime, runtime
from segx.inference.runtimes import onnx as onnx_engine
from segx.inference.runtimes import openvino as openvino_engine
from segx.inference.runtimes.onnx import OnnxRuntime
from segx.inference.runtimes.openvino import OpenVinoRuntime, bf16_is_native
from tests.inference.exports import THREE, tiles

pytest.importorskip("onnx", reason="writes ONNX files: segx[onnx]")
pytest.importorskip("onnxruntime", reason="runs ONNX files: segx[onnx]")
pytest.importorskip("openvino", reason="an engine: segx[openvino]")

Build = Callable[[Path], Runtime]
ENGINES = {"onnx": OnnxRuntime, "openvino": OpenVinoRuntime}


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=6)
@given(batch=st.integers(1, 3), rows=st.integers(1, 70), cols=st.integers(1, 70))
def test_logits_are_torchs_for_any_batch_and_size(
    engine: str, exported: Path, model: Model, batch: int, rows: int, cols: int
) -> None:
    images = tiles((batch, 3, rows, cols))
    found = ENGINES[engine](exported).run(images)
    expected = torch_reference(model).run(images)
    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_one_engine_runs_shapes_in_turn(exported: Path, model: Model) -> None:
    runtime, reference = OpenVinoRuntime(exported), torch_reference(model)
    for side in (32, 33, 34, 40, 64, 32):
        images = tiles((2, 3, side, 40), seed=side)
        assert np.allclose(runtime.run(images), reference.run(images), atol=1e-3)
    assert len(runtime._compiled) == 4


def test_the_tiles_of_a_batch_do_not_know_each_other(exported: Path) -> None:
    for engine in ENGINES.values():
        runtime, images = engine(exported), tiles((3, 3, 48, 40))
        alone = np.concatenate([runtime.run(image[np.newaxis]) for image in images])
        assert np.allclose(runtime.run(images), alone, atol=1e-5)


def test_half_precision_rounds_and_seldom_decides_otherwise(
    exported: Path, model: Model
) -> None:
    if not bf16_is_native():
        pytest.skip("this processor does not multiply bfloat16")
    runtime, images = OpenVinoRuntime(exported, precision="bf16"), tiles((4, 3, 64, 64))
    assert runtime.about == "openvino cpu bf16"
    logits, expected = runtime.run(images), torch_reference(model).run(images)
    assert not np.allclose(logits, expected, atol=1e-5)
    assert flipped_share(logits, expected, THREE) < 0.02


def test_a_precision_that_an_engine_lacks_is_refused(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="can't compute in fp16"):
        OpenVinoRuntime(exported, precision="fp16")
    monkeypatch.setattr(openvino_engine, "bf16_is_native", lambda: False)
    with pytest.raises(ConfigError, match="can't compute in bf16"):
        OpenVinoRuntime(exported, precision="bf16")


def test_channels_that_do_not_fit_are_a_model_error(exported: Path) -> None:
    for engine in ENGINES.values():
        with pytest.raises(ModelError, match=r"shape \(1, 4, 32, 32\)"):
            engine(exported).run(tiles((1, 4, 32, 32)))


def test_too_little_memory_is_said_with_the_size_of_the_batch(exported: Path) -> None:
    class Greedy:
        def infer(self, *_: object, **__: object) -> None:
            raise MemoryError

        def run(self, *_: object) -> None:
            raise onnx_engine._errors_of(onnx_engine._onnxruntime())[0](
                "Failed to allocate memory for requested buffer of size 1"
            )

    vino, ort = OpenVinoRuntime(exported), OnnxRuntime(exported)
    vino._compiled[1, 3, 32, 32] = Greedy()
    ort._session = Greedy()
    for engine in (vino, ort):
        with pytest.raises(OutOfMemoryError, match=r"tiles of 32x32 px.*--batch-size"):
            engine.run(tiles((2, 3, 32, 32)))


def test_every_core_is_used_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert runtime.usable_threads() == 3
    monkeypatch.setattr(runtime, "usable_cores", lambda: 7)
    for text in ("", "0", "many", "4,2"):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert runtime.usable_threads() == 7


@pytest.mark.parametrize(
    ("bf16", "quantised", "native", "first"),
    [
        (True, True, True, "openvino int8"),
        (True, False, True, "openvino bf16"),
        (False, False, False, "openvino fp32"),
        (None, True, False, "openvino int8"),
        (None, False, True, "openvino bf16"),
    ],
)
def test_the_fastest_engine_comes_first(
    monkeypatch: pytest.MonkeyPatch,
    bf16: bool | None,
    quantised: bool,
    native: bool,
    first: str,
) -> None:
    monkeypatch.setattr(engines, "bf16_is_native", lambda: native)
    options = options_here("cpu", torch_bf16=bf16, quantised=quantised)
    assert str(options[0]) == first
    assert len(set(options)) == len(options)
    assert (bf16 is None) == all(option.runtime != "torch" for option in options)


def test_without_other_engines_there_is_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    names = [
        [str(o) for o in options_here("cpu", torch_bf16=fast, quantised=True)]
        for fast in (True, False)
    ]
    assert names == [["torch bf16", "torch fp32"], ["torch fp32", "torch bf16"]]


def test_on_a_gpu_there_is_no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "has_cuda", lambda: True)
    names = [str(o) for o in options_here("cuda:1", torch_bf16=True, quantised=True)]
    assert names == ["torch bf16", "torch fp16", "torch fp32", "onnx fp32"]
    assert options_here("mps", torch_bf16=False, quantised=True)[0] == (
        "torch",
        "fp32",
    )


def test_what_is_not_there_is_refused_with_what_there_is(exported: Path) -> None:
    choices = choices_of_exported(ExportedModel.read(exported))
    with pytest.raises(ConfigError, match=r"no torch for .* There is: .*onnx fp32"):
        choices.choose(runtime="torch")
    with pytest.raises(ConfigError, match="segx export RUN --int8"):
        choices.choose(precision="int8")


def test_an_engine_that_fails_gives_way_to_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Plain:
        about = "torch cpu fp32"

        def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
            return images

    def build(option: Option) -> Runtime:
        if option.runtime == "openvino":
            raise ModelError("no such operator.")
        return Plain()

    options = (Option("openvino", "fp32"), Option("torch", "fp32"))
    choices = Choices(options, Plain(), build, "cpu")
    assert choices.choose().runtime.about == "torch cpu fp32"
    assert "openvino fp32 can't be used: no such operator." in caplog.text
    with pytest.raises(ModelError, match="no such operator"):
        choices.choose(runtime="openvino")


def test_all_engines_of_a_model_agree_with_its_reference(model: Model) -> None:
    choices, images = choices_of_model(model, device="cpu"), tiles((2, 3, 64, 64))
    expected = choices.reference.run(images)
    assert {"torch", "onnx", "openvino"} == {o.runtime for o in choices.options}
    for option in choices.options:
        share = flipped_share(choices.build(option).run(images), expected, THREE)
        assert share <= (1e-3 if option.precision == "fp32" else 0.02), option


def test_an_export_that_stands_with_the_model_is_used(
    model: Model, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Model] = []

    def to_onnx(model: Model) -> bytes:
        made.append(model)
        return exported.read_bytes()

    monkeypatch.setattr("segx.inference.export.to_onnx", to_onnx)
    place = tmp_path / "export" / "model.onnx"
    place.parent.mkdir()
    for content, times in [(exported.read_bytes(), 0), (b"spoilt", 1)]:
        place.write_bytes(content)
        choices = choices_of_model(model, path=tmp_path, device="cpu")
        for _ in range(2):
            choices.build(Option("onnx", "fp32"))
        assert len(made) == times


def test_loading_takes_the_engine_that_was_asked_for(
    exported: Path, model: Model
) -> None:
    for path in (exported, model.source.parent):
        predictor = load(path, runtime="openvino", precision="fp32")
        assert predictor.members.about == "openvino cpu fp32"
        assert predictor.spec == model.spec
    assert load(exported, runtime="onnx", tile=32).plan.tile == 32


@pytest.mark.parametrize(
    ("module", "extra"), [("onnxruntime", "onnx"), ("openvino", "openvino")]
)
def test_a_missing_package_is_named_with_its_extra(
    module: str, extra: str, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install .*\[{extra}\]"):
        ENGINES[extra](exported)
