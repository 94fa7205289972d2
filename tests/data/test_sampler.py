from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from segx.data.sampler import Draw, EpochSampler, Share

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


@given(SMALL, st.integers(1, 4), SMALL, SMALL, st.integers(1, 4))
def test_processes_share_the_steps_of_one_with_a_larger_batch(
    cases: int, batch: int, steps: int, seed: int, world: int
) -> None:
    samplers = [
        EpochSampler(
            cases,
            batch_size=batch,
            least_steps=steps,
            seed=seed,
            share=Share(rank, world),
        )
        for rank in range(world)
    ]
    parts = [list(sampler) for sampler in samplers]
    assert {len(part) for part in parts} == {len(samplers[0])}
    together = [
        draw
        for step in range(samplers[0].steps)
        for part in parts
        for draw in part[step * batch : (step + 1) * batch]
    ]
    assert together == draws(cases, batch * world, steps, seed)


@given(SMALL, st.integers(1, 4), SMALL, st.data())
def test_an_epoch_that_goes_on_draws_its_rest(
    cases: int, batch: int, steps: int, data: st.DataObject
) -> None:
    whole = draws(cases, batch, steps, seed=1, epoch=3)
    sampler = EpochSampler(cases, batch_size=batch, least_steps=steps, seed=1)
    step = data.draw(st.integers(0, sampler.steps))
    sampler.start_at(3, step)
    assert list(sampler) == whole[step * batch :]
    assert len(sampler) == len(whole)
    sampler.set_epoch(4)
    assert list(sampler) == draws(cases, batch, steps, seed=1, epoch=4)
