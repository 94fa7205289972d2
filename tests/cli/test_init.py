"""Every config that `segx init` writes is trained by `segx fit` as it is."""

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segx.cli.main import main
from segx.config import FitConfig, read_config
from tests.data.sets import disc, picture, save, write_classes, write_pairs
from tests.phantoms import write_balls

NARROW = ["--model.encoder.name", "xception_narrow", "--trainer.accelerator", "cpu"]
SHORT = [
    *("--trainer.max_steps", "2", "--training.warmup_steps", "0", "--quiet"),
    *("--data.batch_size", "2", "--data.workers", "0", "--data.steps_per_epoch", "2"),
]


def initiated(root: Path, *more: str) -> tuple[FitConfig, str]:
    """The config that init writes for a data set, and its text."""
    out = root.parent / "my.yaml"
    words = ["init", str(root), "-o", str(out), "--seconds", "0", *NARROW]
    assert main([*words, *more]) == 0
    return read_config(out), out.read_text(encoding="utf-8")


def folders(root: Path) -> Path:
    for name, stems in {"train": "abcdefgh", "val": "ij", "test": "kl"}.items():
        write_pairs(root / name, stems, rows=70, cols=90, value=255)
    return root


def no_splits(root: Path) -> Path:
    return write_pairs(root, "abcdefgh", rows=150, cols=140, channels=1)


def three_classes(root: Path) -> Path:
    write_pairs(root / "train", "abcdefgh", rows=60, cols=60)
    for stem in "abcd":
        save(root / "train" / "masks" / f"{stem}.png", disc(60, 60, value=2))
    return root


def multilabel(root: Path) -> Path:
    for number, stem in enumerate("abcdef"):
        save(root / "images" / f"{stem}.png", picture(60, 60, seed=number))
        for name in ("cell", "nucleus"):
            save(root / "masks" / name / f"{stem}.png", disc(60, 60, value=255))
    return root


def sixteen_bit(root: Path) -> Path:
    write_pairs(root, "abcdef", rows=60, cols=60, channels=1)
    for number, path in enumerate(sorted((root / "images").glob("*.png"))):
        deep = picture(60, 60, channels=1, seed=number)[..., 0].astype(np.uint16) * 9
        tifffile.imwrite(path.with_suffix(".tif"), deep)
        path.unlink()
    return root


def many_channels(root: Path) -> Path:
    write_pairs(root, "abcdef", rows=60, cols=60, channels=1)
    for number, path in enumerate(sorted((root / "images").glob("*.png"))):
        image = picture(60, 60, channels=7, seed=number)
        tifffile.imwrite(path.with_suffix(".tif"), image, planarconfig="contig")
        path.unlink()
    return root


def volumes(root: Path) -> Path:
    return write_balls(root, count=4)


def classes(root: Path) -> Path:
    return write_classes(root, {"benign": 12, "malignant": 6})


def listed(root: Path) -> Path:
    write_pairs(root, "abcdef", rows=60, cols=60)
    rows = [f"{stem},p{number // 2}" for number, stem in enumerate("abcdef")]
    (root / "list.csv").write_text("\n".join(["picture,patient", *rows]))
    return root


def tagged(root: Path) -> Path:
    """Images that may be wet, hot, both or neither; of some nobody knows."""
    write_pairs(root, "abcdef", rows=60, cols=60)
    cells = ("1,0", "1,", "0,1", "1,1", "0,0", ",1")
    rows = [f"{stem},{cell}" for stem, cell in zip("abcdef", cells, strict=True)]
    (root / "list.csv").write_text("\n".join(["image,wet,hot", *rows]))
    return root


def raw(root: Path) -> Path:
    """As nnU-Net keeps them: a file a channel."""
    for number, stem in enumerate("abcdef"):
        for channel in range(2):
            image = picture(60, 60, channels=1, seed=10 * number + channel)
            save(root / "imagesTr" / f"{stem}_{channel:04d}.png", image)
        save(root / "labelsTr" / f"{stem}.png", disc(60, 60))
    described = {
        "channel_names": {"0": "T1", "1": "T2"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": 6,
        "file_ending": ".png",
    }
    (root / "dataset.json").write_text(json.dumps(described))
    return root


GIVEN = [
    *("--manifest", "list.csv", "--data.columns.image", "picture"),
    *("--data.classes", "[background, cell]", "--model.loss.smooth", "0.5"),
]

TAGS = [
    *("--manifest", "list.csv", "--task", "classification"),
    *("--data.columns.label", "[wet, hot]", "--seconds", "0.1"),
]

LAYOUTS: dict[str, tuple[Callable[[Path], Path], list[str], dict[str, object]]] = {
    "folders": (folders, [], {"mask_kind": "binary", "intensity": "range"}),
    "no_splits": (no_splits, [], {"crop": (128, 128), "validation_split": 0.25}),
    "three_classes": (three_classes, [], {"mask_kind": "multiclass"}),
    "multilabel": (multilabel, [], {"classes": ("cell", "nucleus")}),
    "sixteen_bit": (sixteen_bit, [], {"intensity": "percentile", "channels": 1}),
    "many_channels": (many_channels, [], {"channels": 7}),
    "volumes": (volumes, [], {"intensity": "scan_zscore", "axis": 0}),
    "classes": (classes, [], {"classes": ("benign", "malignant"), "crop": None}),
    "raw": (raw, [], {"channels": 2, "classes": ("background", "lesion")}),
    "listed": (listed, GIVEN, {"classes": ("background", "cell")}),
    "tagged": (tagged, TAGS, {"classes": ("wet", "hot"), "crop": None}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_init_writes_is_trained_as_it_is(name: str, tmp_path: Path) -> None:
    make, given, expected = LAYOUTS[name]
    config, text = initiated(make(tmp_path / "data"), *given)
    assert config.data.root == (tmp_path / "data").resolve()
    assert {key: getattr(config.data, key) for key in expected} == expected
    words = ["fit", "-c", str(tmp_path / "my.yaml"), "--runs", str(tmp_path / "runs")]
    assert main([*words, *SHORT]) == 0
    assert (tmp_path / "runs" / "my" / "checkpoints" / "best.ckpt").is_file()
    # Whoever reads it knows why: each value has its reason, on its line or above it.
    lines = text.splitlines()
    for before, line in pairwise(lines):
        is_value = re.match(r" *[a-z_]+: .", line) and "root:" not in line
        assert not is_value or "#" in line or before.lstrip().startswith("#"), line


def test_what_is_given_is_kept_and_said_to_be_given(tmp_path: Path) -> None:
    config, text = initiated(
        listed(tmp_path / "data"), *GIVEN, "--data.batch_size", "3"
    )
    assert config.data.columns.image == "picture"
    assert config.data.batch_size == 3
    assert config.model.loss.options == {"smooth": 0.5}
    assert "no patient is split" in text
    assert "for 4 cases to learn from" in text  # a quarter of the 6 is held out
    assert text.count("as given") == 7


def test_the_batch_is_measured_on_this_machine(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "data", rows=60, cols=60)
    out = tmp_path / "my.yaml"
    assert main(["init", str(root), "-o", str(out), "--seconds", "1", *NARROW]) == 0
    text = out.read_text(encoding="utf-8")
    assert "measured here (cpu" in text
    assert "s a step" in text.replace("\n  # ", " ")


def test_an_older_file_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_pairs(tmp_path / "data")
    out = tmp_path / "my.yaml"
    out.write_text("mine")
    words = ["init", str(root), "-o", str(out), "--seconds", "0"]
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main([*words, "--force"]) == 0
    assert out.read_text() != "mine"


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["--data.bach_size", "3"], "Did you mean batch_size", 2),
        (["--model.decoder", "FNP"], "Did you mean FPN", 2),
        (["--data.classes", "[a, b, c, d]"], "Name 2 classes", 1),
        (["--task", "multitask"], "fits a config to one task", 2),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    words: list[str],
    message: str,
    code: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = write_pairs(tmp_path / "data", value=255)
    out = tmp_path / "my.yaml"
    assert main(["init", str(root), "-o", str(out), "--seconds", "0", *words]) == code
    assert message in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "isbi2012_em",
        "drive",
        "dsb2018_nuclei",
        "shenzhen_cxr_lung",
        "wbc_dataset2",
        "hippocampus3d",
        "busi_classification",
        "isic_skin_fullres",
    ],
)
def test_real_sets_are_trained_by_what_init_writes(
    name: str, shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    out = tmp_path / "my.yaml"
    root = str(shared_data(name))
    assert main(["init", root, "-o", str(out), "--seconds", "5"]) == 0
    words = ["fit", "-c", str(out), "--runs", str(tmp_path), "--quiet"]
    limit = ["--trainer.max_steps", "4", "--data.validation_cases", "2"]
    assert main([*words, *limit]) == 0
    assert (tmp_path / "my" / "checkpoints" / "best.ckpt").is_file()
