from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from segx.data.sampler import Draw, EpochSampler

SMALL = st.integers(1, 30)


def draws(cases: int, batch: int, steps: int, seed: int, epoch: int = 0) -> list[Draw]:
    sampler = EpochSampler(cases, batch_size=batch, least_steps=steps, seed=seed)
    sampler.set_epoch(epoch)
    found = list(sampler)
    assert len(sampler) == len(found)
    return found


@given(SMALL, st.integers(1, 8), SMALL, SMALL, SMALL)
def test_an_epoch_is_whole_batches_and_visits_all_cases_alike(
    cases: int, batch: int, steps: int, seed: int, epoch: int
) -> None:
    found = draws(cases, batch, steps, seed, epoch)
    assert len(found) == batch * max(steps, cases // batch)
    assert [draw.place for draw in found] == list(range(len(found)))
    assert {draw.epoch for draw in found} == {epoch}
    visits = Counter(draw.case for draw in found)
    visits.update(dict.fromkeys(range(cases), 0))
    assert set(visits) == set(range(cases))
    assert max(visits.values()) - min(visits.values()) <= 1


@given(SMALL, SMALL)
def test_the_order_follows_from_seed_and_epoch(seed: int, epoch: int) -> None:
    assert draws(50, 5, 4, seed, epoch) == draws(50, 5, 4, seed, epoch)


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = [
        tuple(draw.case for draw in draws(50, 5, 10, seed, epoch))
        for seed in range(3)
        for epoch in range(3)
    ]
    assert len(set(orders)) == 9
