"""From a run to files that others can use, through the door."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segx.artifact import Model, load_model
from segx.cli.main import main
from segx.config import DataConfig, FitConfig, InferenceConfig
from segx.labels import Labels
from segx.training.run import RunFolder
from tests.data.sets import disc, picture, save
from tests.inference.exports import saved_model, spec

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "scripts" / "examples" / "predict_onnx.py"

# Runs a module's text with every import refused but those named.
BLOCKER = """
import runpy, sys
allowed = set(sys.argv[2].split(","))
class Blocker:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root not in allowed and root not in sys.stdlib_module_names:
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Blocker())
script, sys.argv = sys.argv[1], sys.argv[2:]
runpy.run_path(script, run_name="__main__")
"""

NO_TORCH = """
import sys
def refuse(event, arguments):
    if event.startswith("socket."):
        raise RuntimeError(event, arguments)
sys.addaudithook(refuse)
from segx.cli.main import main
code = main(sys.argv[1:])
heavy = {"nncf", "onnx", "openvino_telemetry", "pytorch_lightning", "timm", "torch"}
print("heavy:", *sorted(name for name in heavy if sys.modules.get(name)))
sys.exit(code)
"""

pytest.importorskip("onnx", reason="writes ONNX files: segx[onnx]")
pytest.importorskip("onnxruntime", reason="runs ONNX files: segx[onnx]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, exported, and pictures of several sizes."""
    folder = tmp_path_factory.mktemp("export")
    kinds = {
        "three": spec(tile=64),
        "two": spec(Labels("binary", ("background", "cell")), tile=64),
        "sorts": spec(None),
    }
    for name, described in kinds.items():
        saved_model(folder / name, described)
        out = str(folder / f"{name}.onnx")
        assert main(["export", str(folder / name), "-o", out]) == 0
    for rows, cols in [(150, 200), (20, 30), (301, 65)]:
        save(folder / "images" / f"{rows}x{cols}.png", picture(rows, cols))
    return folder


@pytest.mark.parametrize(
    "runtime",
    [
        "auto",
        pytest.param("onnx", marks=pytest.mark.slow),
        pytest.param("openvino", marks=pytest.mark.slow),
    ],
)
def test_an_exported_model_predicts_without_torch_and_sends_nothing(
    runtime: str, folder: Path, tmp_path: Path
) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="an engine: segx[openvino]")
    wanted = ["--runtime", runtime, "-o", str(tmp_path)]
    images = str(folder / "images")
    command = [sys.executable, "-c", NO_TORCH, "predict"]
    for model in ("three.onnx", "sorts.onnx"):
        done = subprocess.run(
            [*command, str(folder / model), images, *wanted],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("heavy:\n")
        assert "Engine: " in done.stderr
    assert len(list(tmp_path.glob("*_overlay.png"))) == 3
    assert (tmp_path / "probabilities.csv").is_file()


@pytest.mark.parametrize(
    "model", ["three", pytest.param("two", marks=pytest.mark.slow)]
)
def test_the_example_makes_the_same_masks_from_three_packages(
    model: str, folder: Path, tmp_path: Path
) -> None:
    path = str(folder / f"{model}.onnx")
    images = sorted((folder / "images").iterdir())
    out = ["-o", str(tmp_path / "segx"), "--runtime", "onnx", "--overlap", "0.125"]
    assert main(["predict", path, *map(str, images), *out]) == 0
    (tmp_path / "blocker.py").write_text(BLOCKER)
    allowed = "numpy,PIL,onnxruntime,google,flatbuffers,packaging,sympy,coloredlogs"
    for image in images:
        command = [sys.executable, "-I", str(tmp_path / "blocker.py"), str(EXAMPLE)]
        mask = tmp_path / image.name
        subprocess.run([*command, allowed, path, image, mask], check=True)
        theirs, ours = (
            np.asarray(Image.open(item))
            for item in (mask, tmp_path / "segx" / image.name)
        )
        assert theirs.any()
        assert np.array_equal(theirs, ours)


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 50


@pytest.mark.parametrize(
    "change",
    [
        {"labels": Labels("multilabel", ("a", "b"))},
        {"labels": None, "class_names": ("a", "b")},
        {"resize": (64, 64)},
        {"neighbours": 1},
        {"intensity": replace(spec().intensity, of_each_scan="zscore")},
        {"inference": InferenceConfig(cleaning={"fill_holes": True})},
    ],
)
def test_the_example_refuses_what_it_would_do_wrong(
    change: dict[str, object], folder: Path, tmp_path: Path
) -> None:
    import onnx

    model = onnx.load(folder / "three.onnx")
    asked = spec().model_copy(update=change)
    (entry,) = [item for item in model.metadata_props if item.key == "segx.spec"]
    entry.value = asked.model_dump_json()
    onnx.save(model, tmp_path / "a.onnx")
    image, mask = folder / "images" / "20x30.png", tmp_path / "mask.png"
    command = [sys.executable, str(EXAMPLE), str(tmp_path / "a.onnx"), image, mask]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "segx predict can do it" in done.stderr
    assert not mask.exists()


def test_a_model_folder_is_the_same_model(folder: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "model")
    wanted = ["--format", "safetensors", "-o", out]
    assert main(["export", str(folder / "three"), *wanted]) == 0
    one, two = load_model(folder / "three"), load_model(out)
    assert one.spec == two.spec
    weights = two.network.state_dict()
    assert all(
        torch.equal(item, weights[name])
        for name, item in one.network.state_dict().items()
    )


def test_a_run_is_not_exported_over_its_own_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fitted_run(tmp_path)
    before = (run / "config.yaml").read_bytes()
    wanted = ["--format", "safetensors", "-o", str(run)]
    assert main(["export", str(run), *wanted]) == 2
    assert "not overwritten" in capsys.readouterr().err
    assert (run / "config.yaml").read_bytes() == before


def test_a_checkpoint_by_its_bare_name_belongs_to_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fitted_run(tmp_path)
    monkeypatch.chdir(run / "checkpoints")
    assert main(["export", "best.ckpt", "--format", "safetensors"]) == 0
    assert (run / "export" / "model" / "config.yaml").is_file()


def test_wrong_use_is_said_before_a_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert main(["export", nowhere, "--format", "safetensors", "--int8"]) == 2
    assert "leave one out" in capsys.readouterr().err
    assert main(["export", nowhere, "-o", "model.pt"]) == 2
    assert "ends in .onnx" in capsys.readouterr().err
    assert main(["bench", "model.onnx", "--data", nowhere]) == 2
    assert "timed on noise" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_a_bench_times_every_engine(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model in ("three", "three.onnx", "sorts"):
        argv = ["bench", str(folder / model), "--repeats", "2", "--json"]
        assert main([*argv, "--device", "cpu"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["tile"], found["tiles"]) == ("64x64", "noise")
        engines = {line["engine"]: line for line in found["engines"]}
        assert "onnxruntime cpu fp32" in engines
        assert ("torch cpu fp32" in engines) == (not model.endswith(".onnx"))
        assert all(len(line["seconds"]) == 2 for line in engines.values())
        assert engines["onnxruntime cpu fp32"]["flipped"] <= 0.001
    assert main(["bench", str(folder / "three.onnx"), "--repeats", "1"]) == 0
    assert "Mpx/s" in capsys.readouterr().out


def fitted_run(folder: Path) -> Path:
    """What a fit leaves: a config that names the data, and a checkpoint."""
    for i in range(6):
        save(folder / "data" / "images" / f"{i}.png", picture(80, 90, seed=i))
        save(folder / "data" / "masks" / f"{i}.png", disc(80, 90))
    run = RunFolder(folder / "run")
    run.create()
    data = DataConfig(root=folder / "data", validation_split=0.34)
    run.write_config(FitConfig(data=data))
    described = spec(Labels("binary", ("background", "foreground")))
    model: Model = saved_model(folder / "model", described)
    state = {f"network.{k}": v for k, v in model.network.state_dict().items()}
    values = {"spec": described.model_dump(mode="json")}
    content = {"state_dict": state, "hyper_parameters": values}
    torch.save(content, run.checkpoints / "best.ckpt")
    return run.path


@pytest.mark.slow
def test_a_run_is_quantised_on_its_own_data_and_then_predicts_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nncf", reason="quantises: segx[openvino]")
    run, out = fitted_run(tmp_path), tmp_path / "out" / "cells.onnx"
    assert main(["export", str(run), "-o", str(out), "--int8"]) == 0
    shown = capsys.readouterr().out
    assert "calibrated on 24 training tiles" in shown
    assert "of the pixels of 8 validation tiles are decided otherwise" in shown
    image = str(tmp_path / "data" / "images" / "0.png")
    for model in (run, out):
        assert main(["predict", str(model), image, "-o", str(tmp_path / "masks")]) == 0
        assert "openvino cpu int8" in capsys.readouterr().err
    assert main(["bench", str(run), "--repeats", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tiles"] == "validation"
    assert found["engines"][0]["engine"] == "openvino cpu int8"


@pytest.mark.slow
def test_a_run_whose_data_moved_asks_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fitted_run(tmp_path)
    (tmp_path / "data").rename(tmp_path / "moved")
    assert main(["export", str(run), "--int8"]) == 1
    assert not (run / "export").exists()
    assert main(["export", str(run), "--int8", "--data", str(tmp_path / "moved")]) == 0
    assert (run / "export" / "model.onnx").is_file()
    assert (run / "export" / "model.int8.xml").is_file()
