"""Places kept and given back, equal grids once."""

import numpy as np

from rewardlab.gridworld import make_vec
from rewardlab.parts.archives.place_store import PlaceStore


def places(count: int, seed: int) -> dict[str, np.ndarray]:
    engine = make_vec("MiniGrid-DoorKey-8x8-v0", count, levels=3)
    engine.reset(seed=seed)
    found = engine.get_state()
    return {name: found[name] for name in ("cells", "agent", "carried", "steps", "streams")}


def test_what_is_kept_comes_back() -> None:
    store, held = PlaceStore(), places(200, 1)
    rows = np.concatenate(
        [store.add({k: v[:70] for k, v in held.items()}), store.add({k: v[70:] for k, v in held.items()})]
    )
    order = np.random.default_rng(0).permutation(200)
    for name, entry in store.get(rows[order]).items():
        assert np.array_equal(entry, held[name][order]) and entry.dtype == held[name].dtype
    assert len(store) == 200 and store.grids == len(np.unique(held["cells"], axis=0)) == 3


def test_places_are_replaced() -> None:
    store, held, other = PlaceStore(), places(10, 1), places(4, 2)
    rows = store.add(held)
    store.put(rows[3:7], other)
    found = store.get(rows)
    assert np.array_equal(found["streams"][3:7], other["streams"])
    assert np.array_equal(found["cells"][7:], held["cells"][7:])


def test_the_state_round_trips() -> None:
    store, held = PlaceStore(), places(10, 1)
    rows = store.add(held)
    other = PlaceStore()
    other.load_state_dict(store.state_dict())
    for name, entry in other.get(rows).items():
        assert np.array_equal(entry, held[name]) and entry.dtype == held[name].dtype
    assert other.add(held).tolist() == list(range(10, 20)) and other.grids == store.grids
