"""The examples in scripts/examples do what they say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

REPOSITORY = Path(__file__).parents[1]
UNPACK = REPOSITORY / "scripts" / "examples" / "npz_to_folders.py"


def test_an_image_of_two_splits_is_unpacked_into_the_later_one_alone(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    train, val, test = rng.integers(0, 256, (3, 4, 9, 9), np.uint8)
    train[0], train[1] = test[2], val[3]
    val[0] = test[1]
    train[3] = train[2]  # twice in one split: nothing is told of what is held out
    labels = np.array([[0], [1], [0], [1]])
    splits = {"train": train, "val": val, "test": test}
    arrays = {f"{name}_images": images for name, images in splits.items()}
    np.savez(tmp_path / "set.npz", **arrays, **{f"{n}_labels": labels for n in splits})
    out = tmp_path / "out"
    command = [sys.executable, UNPACK, tmp_path / "set.npz", out, "ill", "well"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = {name: sorted((out / name).glob("*/*.png")) for name in splits}
    numbers = {n: sorted(int(p.stem[-5:]) for p in found[n]) for n in splits}
    assert numbers == {"train": [2, 3], "val": [1, 2, 3], "test": [0, 1, 2, 3]}
    assert len(done.stdout.splitlines()) == 3
    for name, images in splits.items():
        for path in found[name]:
            number = int(path.stem[-5:])
            assert path.parent.name == ("ill", "well")[labels[number, 0]]
            with Image.open(path) as image:
                assert np.array_equal(np.asarray(image), images[number])
