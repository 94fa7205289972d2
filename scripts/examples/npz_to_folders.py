"""Unpack a MedMNIST-like .npz into a folder per class, with its own splits.

    python scripts/examples/npz_to_folders.py pneumoniamnist.npz OUT normal pneumonia

The file holds {train,val,test}_images (n, rows, cols[, 3]) and _labels (n, 1). Made are
OUT/train/normal/train00000.png and so on, which `segx fit -c classify --data.root OUT`
reads. An image that is in two splits, as some of pneumoniamnist's are, is kept in the
later one alone: what was learnt from must not be tested on.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

SPLITS = ("test", "val", "train")
"""What is held out comes first: it is kept where it is."""


def main() -> None:
    """Write every image as a PNG in the folder of its split and class."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("npz", type=Path)
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("classes", nargs="+", help="names of the labels 0, 1, …")
    arguments = parser.parse_args()
    split_of: dict[bytes, str] = {}
    with np.load(arguments.npz, allow_pickle=False) as arrays:
        for split in SPLITS:
            images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
            for number, (image, label) in enumerate(
                zip(images, labels.reshape(-1), strict=True)
            ):
                if split_of.setdefault(image.tobytes(), split) != split:
                    print(f"{split} image {number} is left out: it is held out too")
                    continue
                folder = arguments.out / split / arguments.classes[int(label)]
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(folder / f"{split}{number:05d}.png")


if __name__ == "__main__":
    main()
