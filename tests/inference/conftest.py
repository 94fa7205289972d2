"""One small model, exported once for all tests of the engines."""

from pathlib import Path

import pytest

from segx.artifact import Model
from tests.inference.exports import saved_model, spec


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Three classes on the narrow encoder, in a model folder."""
    return saved_model(tmp_path_factory.mktemp("model"), spec())


@pytest.fixture(scope="session")
def exported(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as an ONNX file."""
    pytest.importorskip("onnx", reason="writes ONNX files: segx[onnx]")
    pytest.importorskip("onnxruntime", reason="runs ONNX files: segx[onnx]")
    from segx.inference.export import export_onnx

    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    export_onnx(model, path)
    return path
