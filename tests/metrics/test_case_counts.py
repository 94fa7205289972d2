"""Means over cases do not depend on how the cases came."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, distributed, multiprocessing
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler
from torchmetrics.functional.segmentation import dice_score

from segx.errors import DataError
from segx.labels import Labels
from segx.metrics import CaseCounts, CaseMeans, Counts, count_overlap
from segx.metrics.case_counts import _first_seen
from segx.metrics.overlap import sum_counts

CELLS = Labels("multiclass", ("background", "cytoplasm", "nucleus"))
CASES = 7


def counts_of(case: int) -> dict[str, Counts]:
    """Seeded counts; some classes are absent from some cases."""
    random = np.random.default_rng(case)
    names = CELLS.foreground
    tables = random.integers(0, 50, (len(names), 4)) * random.integers(
        0, 2, (len(names), 1)
    )
    return {
        name: Counts(*row) for name, row in zip(names, tables.tolist(), strict=True)
    }


def seen(cases: list[int]) -> CaseCounts:
    metric = CaseCounts(CASES, CELLS)
    for case in cases:
        metric.update(case, counts_of(case))
    return metric


def flat(means: CaseMeans) -> list[float]:
    values = [
        means.dice,
        means.iou,
        *means.class_dice.values(),
        *means.class_iou.values(),
    ]
    return [float(value) for value in values]


def test_means_are_those_of_the_policy() -> None:
    means = seen(list(range(CASES))).compute()
    dice = {
        name: np.nanmean([counts_of(case)[name].dice for case in range(CASES)])
        for name in CELLS.foreground
    }
    assert {
        name: float(value) for name, value in means.class_dice.items()
    } == pytest.approx(dice)
    assert float(means.dice) == pytest.approx(np.mean(list(dice.values())))
    assert float(means.iou) == pytest.approx(
        np.mean([float(value) for value in means.class_iou.values()])
    )


@given(st.permutations(range(CASES)), st.lists(st.integers(0, CASES - 1)))
def test_order_and_repeats_change_nothing(order: list[int], repeats: list[int]) -> None:
    assert flat(seen(order + repeats).compute()) == flat(
        seen(list(range(CASES))).compute()
    )


@given(st.integers(1, 4), st.permutations(range(CASES)))
def test_the_number_of_processes_changes_nothing(world: int, order: list[int]) -> None:
    # As a DistributedSampler deals: in turn, the first ones again to fill the round.
    filled = order + order[: -len(order) % world]
    shares = [seen(filled[rank::world]).counts for rank in range(world)]
    assert torch.equal(_first_seen(torch.stack(shares)), seen(order).counts)


def test_cases_that_did_not_come_do_not_count() -> None:
    metric = seen([2, 5])
    assert list(metric.table()) == [2, 5]
    assert metric.table()[5] == counts_of(5)
    metric.reset()
    assert metric.table() == {}


@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")
def test_without_any_case_the_means_are_undefined() -> None:
    assert all(math.isnan(value) for value in flat(CaseCounts(3, CELLS).compute()))


def test_calling_it_gives_one_cases_means_and_keeps_the_others() -> None:
    metric = seen([0])
    one = metric(3, counts_of(3))
    assert flat(one) == pytest.approx(flat(seen([3]).compute()), nan_ok=True)
    assert list(metric.table()) == [0, 3]


def test_dice_is_torchmetrics_samplewise() -> None:
    random = torch.Generator().manual_seed(0)
    truth, predicted = torch.randint(3, (2, 6, 9, 9), generator=random)
    metric = CaseCounts(6, CELLS)
    for case in range(6):
        pair = (mask[case].to(torch.uint8).numpy() for mask in (truth, predicted))
        metric.update(case, count_overlap(*pair, CELLS))
    theirs = dice_score(
        predicted,
        truth,
        num_classes=3,
        include_background=False,
        average="none",
        aggregation_level="samplewise",
        input_format="index",
    )
    ours = [float(value) for value in metric.compute().class_dice.values()]
    assert ours == pytest.approx(theirs.mean(dim=0).tolist(), rel=1e-5)


def test_a_case_or_class_that_can_not_be_is_refused() -> None:
    metric = CaseCounts(3, CELLS)
    with pytest.raises(DataError, match=r"case 3 .* 0 … 2"):
        metric.update(3, counts_of(3))
    with pytest.raises(DataError, match="'cytoplasm', 'nucleus'"):
        metric.update(0, {"nucleus": Counts(1, 0, 0, 0)})


def _batches(batch_size: int, *, rank: int, world: int) -> Iterator[list[int]]:
    """Batches of case indices, as Lightning hands them to one of several processes."""
    sampler = DistributedSampler(range(CASES), world, rank, shuffle=False)
    for batch in DataLoader(range(CASES), batch_size, sampler=sampler):
        yield batch.tolist()


def _count(batch_size: int, *, rank: int = 0, world: int = 1) -> CaseCounts:
    """Predict masks in batches, and count them case by case."""
    metric = CaseCounts(CASES, CELLS)
    for batch in _batches(batch_size, rank=rank, world=world):
        truth, predicted = (
            torch.stack(part) for part in zip(*map(_masks, batch), strict=True)
        )
        for case, *pair in zip(batch, truth.numpy(), predicted.numpy(), strict=True):
            metric.update(case, count_overlap(*pair, CELLS))
    return metric


def _masks(case: int) -> tuple[Tensor, Tensor]:
    """Truth and prediction of a case; some classes are absent."""
    random = torch.Generator().manual_seed(case)
    truth, predicted = torch.randint(1 + case % 3, (2, 9, 8), generator=random)
    return truth.to(torch.uint8), predicted.to(torch.uint8)


@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")
@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_neither_batches_nor_processes_change_a_number(
    batch_size: int, world: int
) -> None:
    shares = [_count(batch_size, rank=rank, world=world) for rank in range(world)]
    merged = CaseCounts(CASES, CELLS)
    merged.counts = _first_seen(torch.stack([share.counts for share in shares]))
    assert sum(len(share.table()) for share in shares) == CASES + (-CASES % world)
    assert merged.table() == _count(1).table()
    assert flat(merged.compute()) == flat(_count(1).compute())


def _count_in_process(rank: int, world: int, store: str, out: str) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=world
    )
    for batch_size in (1, 3, 8):
        means = _count(batch_size, rank=rank, world=world).compute()
        torch.save(flat(means), f"{out}/{rank}-{batch_size}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_real_processes_agree_with_one(tmp_path: Path) -> None:
    multiprocessing.spawn(
        _count_in_process, (2, str(tmp_path / "store"), str(tmp_path)), nprocs=2
    )
    alone = flat(_count(1).compute())
    assert len(list(tmp_path.glob("*.pt"))) == 6
    for path in tmp_path.glob("*.pt"):
        assert torch.load(path) == alone


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_planes_are_summed_in_any_order_and_repeats_count_once(
    planes: list[int], random: Random
) -> None:
    metric = CaseCounts(len(planes), CELLS, planes=planes)
    parts = [(case, plane) for case, many in enumerate(planes) for plane in range(many)]
    shuffled = [*parts, *parts[:2]]
    random.shuffle(shuffled)
    for case, plane in shuffled:
        metric.update(case, counts_of(10 * case + plane), plane=plane)
    expected = {
        case: sum_counts(counts_of(10 * case + plane) for plane in range(many))
        for case, many in enumerate(planes)
    }
    assert metric.table() == expected


def test_a_plane_that_a_case_lacks_is_refused() -> None:
    metric = CaseCounts(2, CELLS, planes=(3, 1))
    with pytest.raises(DataError, match="plane 1 of case 1"):
        metric.update(1, counts_of(0), plane=1)
