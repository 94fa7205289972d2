import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest

from segx.data.case import Case
from segx.data.mask_values import MaskValues
from segx.data.reader import CaseReader
from segx.data.store import CaseStore
from segx.errors import DataError
from segx.geometry import Extent
from segx.labels import Labels
from tests.data.sets import disc, picture, save

VALUES = MaskValues(Labels("binary", ("background", "cell")), {0: 0, 1: 1})
CASE_BYTES = 20 * 24 * 4  # three channels and a mask


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    return [
        Case(
            str(number),
            save(tmp_path / f"{number}.png", picture(seed=number)),
            (save(tmp_path / f"{number}_m.png", disc()),),
        )
        for number in range(3)
    ]


def store_of(cases: list[Case], budget: int, **keys: object) -> CaseStore:
    reader = CaseReader(3, np.dtype(np.uint8), VALUES, **keys)  # type: ignore[arg-type]
    extents = {case.id: Extent(20, 24) for case in cases}
    return CaseStore(cases, reader, extents=extents, budget=budget)


def remove_files(cases: list[Case]) -> None:
    for case in cases:
        case.image.unlink()


@pytest.mark.parametrize("budget", [0, CASE_BYTES + 200, 10**6])
def test_the_same_is_read_whatever_is_kept(cases: list[Case], budget: int) -> None:
    store = store_of(cases, budget)
    for _ in range(2):
        for number in (2, 0, 1):
            image, mask = store.read(number)
            assert np.array_equal(image, picture(seed=number))
            assert np.array_equal(mask, disc())
    assert store.kept_bytes <= budget


def test_a_file_is_decoded_once_as_far_as_the_budget_goes(cases: list[Case]) -> None:
    store = store_of(cases, 2 * CASE_BYTES + 400)
    for number in range(3):
        store.read(number)
    remove_files(cases)
    assert np.array_equal(store.read(1)[0], picture(seed=1))
    with pytest.raises(Exception, match=r"2\.png"):
        store.read(2)


def test_what_is_read_can_not_be_written_to(cases: list[Case]) -> None:
    image, mask = store_of(cases, 10**6).read(0)
    assert mask is not None
    assert not image.flags.writeable
    assert not mask.flags.writeable


def test_forked_processes_share_what_one_of_them_decodes(cases: list[Case]) -> None:
    store = store_of(cases, 10**6)
    child = multiprocessing.get_context("fork").Process(target=store.read, args=(0,))
    child.start()
    child.join()
    remove_files(cases)
    assert np.array_equal(store.read(0)[0], picture(seed=0))


def test_a_store_can_be_sent_to_another_process(cases: list[Case]) -> None:
    store = store_of(cases, 10**6)
    store.read(0)
    back = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own bytes
    assert np.array_equal(back.read(0)[0], picture(seed=0))
    assert back.kept_bytes == store.kept_bytes


def test_resized_images_may_have_masks_of_their_own_size(cases: list[Case]) -> None:
    store = store_of(cases, 10**6, resize=Extent(10, 12), resize_masks=False)
    for _ in range(2):
        image, mask = store.read(0)
        assert image.shape == (10, 12, 3)
        assert np.array_equal(mask, disc())
    assert store.extent(0) == Extent(10, 12)


def test_a_file_that_changed_its_size_is_named(cases: list[Case]) -> None:
    save(cases[0].image, picture(9, 9))
    with pytest.raises(DataError, match=r"Case 0 .*0\.png.* was surveyed"):
        store_of(cases, 10**6).read(0)
