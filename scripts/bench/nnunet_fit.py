"""nnU-Net's 2D network, trained for a given time: a peer of segx fit on a GPU.

Planned, preprocessed, augmented and predicted as nnU-Net does by default, its mirrored
views included. Only its length is a time: the rate falls along its polynomial over the
seconds asked for. They count from the second step on, so that planning, preprocessing
and compiling cost it nothing. It learns from all training cases (its fold ``all``), and
its last weights are tested, as is its way. On a CPU a step takes half a minute.

It wants an environment of its own: see `tiled_nnunet.py`. Written for `accuracy.py`.
"""

import argparse
import os
import random
import time
from pathlib import Path

import numpy as np
import peers
import torch
from batchgenerators.utilities.file_and_folder_operations import load_json
from nnunetv2.experiment_planning.plan_and_preprocess_api import (
    extract_fingerprints,
    plan_experiments,
    preprocess,
)
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from plain_data import read_set
from torch import nn

from segx.evaluation.cases import CaseRow, case_rows, write_cases
from segx.evaluation.records import write_json
from segx.evaluation.summary import summarise
from segx.evaluation.summary_file import write_summary
from segx.metrics import count_overlap

__all__ = ["main"]

DATASET = "Dataset001_Bench"


def main() -> None:
    """Train, test, and write cases.csv, summary.json and run.json."""
    arguments = _parser().parse_args()
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(arguments.seed)
    raw = _prepare(arguments.data, arguments.out)
    trainer = _trainer(arguments)
    trainer.run_training()
    rows = _test(trainer, arguments.data, raw)
    write_cases(arguments.out / "cases.csv", rows)
    write_summary(arguments.out / "summary.json", summarise(rows))
    write_json(
        arguments.out / "run.json", {"steps": trainer.steps, "seconds": trainer.spent_s}
    )


class _TimedTrainer(nnUNetTrainer):  # type: ignore[misc]  # not installed everywhere
    """Learns until the time is over; see the module."""

    seconds: float
    steps: int
    spent_s: float

    def run_training(self) -> None:
        """Make steps; validate nothing, for the last weights are taken anyway."""
        self.on_train_start()
        self.network.train()
        self.train_step(next(self.dataloader_train))  # compiles
        self.steps = 1
        started = time.monotonic()
        while (spent_s := time.monotonic() - started) < self.seconds:
            for group in self.optimizer.param_groups:
                group["lr"] = self.initial_lr * (1 - spent_s / self.seconds) ** 0.9
            self.train_step(next(self.dataloader_train))
            self.steps += 1
        self.spent_s = spent_s
        self.on_train_end()


def _prepare(data: Path, out: Path) -> Path:
    """Have a data set planned and preprocessed; return nnU-Net's raw form of it."""
    places = {name: out / name for name in ("raw", "preprocessed", "results")}
    for name, place in places.items():
        place.mkdir(parents=True)
        os.environ[f"nnUNet_{name}"] = str(place)
    raw = places["raw"] / DATASET
    peers.run(peers.segx("convert", data, "-o", raw), log=out / "convert.log")
    extract_fingerprints([1])
    plan_experiments([1])
    preprocess([1], configurations=["2d"], num_processes=[4])
    return raw


def _trainer(arguments: argparse.Namespace) -> _TimedTrainer:
    folder = arguments.out / "preprocessed" / DATASET
    plans = load_json(str(folder / "nnUNetPlans.json")) | {"continue_training": False}
    trainer = _TimedTrainer(
        plans,
        "2d",
        "all",
        load_json(str(folder / "dataset.json")),
        torch.device(arguments.device),
    )
    trainer.seconds = arguments.seconds
    trainer.disable_checkpointing = True
    return trainer


def _test(trainer: _TimedTrainer, data: Path, raw: Path) -> list[CaseRow]:
    """Count on the test images, predicted as `nnUNetv2_predict` does."""
    trainer.set_deep_supervision_enabled(False)
    network: nn.Module = trainer.network
    network = getattr(network, "_orig_mod", network)  # as it was before compiling
    predictor = nnUNetPredictor(device=trainer.device, allow_tqdm=False)
    predictor.manual_initialization(
        network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [network.state_dict()],
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    plain = read_set(data)
    rows = []
    for pair in plain.test:
        # segx puts the split before stems that are not unique in the whole set.
        names_of = (f"{pair.image.stem}_*", f"test-{pair.image.stem}_*")
        files = [file for name in names_of for file in (raw / "imagesTs").glob(name)]
        image, properties = NaturalImage2DIO().read_images(sorted(map(str, files)))
        found = predictor.predict_single_npy_array(image, properties)[0]
        _, truth = plain.read(pair)
        rows += case_rows(pair.image.stem, count_overlap(truth, found, plain.labels))
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the set")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--seconds", type=float, default=600, help="time to train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    return parser


if __name__ == "__main__":
    main()
