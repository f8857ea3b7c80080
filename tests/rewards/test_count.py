"""The count bonus against a brute-force dictionary over what was really seen."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import case, rollouts

from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import worlds
from rewardlab.errors import UserError
from rewardlab.networks.flat import encode_flat
from rewardlab.rewards.bonus import count
from rewardlab.types import Array, ObsSpec, Rollout

LENGTHS = st.lists(st.integers(1, 20), min_size=1, max_size=3)


@pytest.mark.parametrize("scope", ["lifelong", "episodic"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("key", ["view", "state"])
@settings(deadline=None, max_examples=20)
@given(lengths=LENGTHS, seed=st.integers(0, 2**31))
def test_bonus_is_one_over_the_root_of_the_visits(
    key: str, shared: bool, scope: str, lengths: list[int], seed: int
) -> None:
    a_case = case("count", key=key, scope=scope, shared=shared)
    scheme, _ = a_case.build()
    visits: Counter[object] = Counter()
    episode, views = [0] * 4, set()
    for rollout in rollouts(a_case, *lengths, seed=seed):
        bonus = scheme.compute(rollout).streams["intrinsic"]
        for t in range(rollout.steps):
            seen = []
            for env in range(4):
                episode[env] += int(rollout.first[t, env])
                view = what_is_counted(rollout, key, t, env)
                views.add(view)
                owner = (env, episode[env]) if scope == "episodic" else 0 if shared else env
                if scope == "episodic" and rollout.first[t, env]:  # where an episode begins, it has been
                    visits[(what_is_counted(rollout, key, t, env, start=True), owner)] += 1
                seen.append((view, owner))
            visits.update(seen)
            expected = [visits[item] ** -0.5 for item in seen]
            np.testing.assert_allclose(bonus[t].numpy(), expected, rtol=1e-6)
        assert scheme.update(rollout) == {"explore/states": len(views)}


def what_is_counted(rollout: Rollout, key: str, t: int, env: int, start: bool = False) -> object:
    if key == "state":
        return int((rollout.current_privileged if start else rollout.privileged)["state_hash"][t, env])
    return (rollout.obs if start else rollout.next_obs)["image"][t, env].numpy().tobytes()


@pytest.mark.parametrize("world", ["grid", "vector", "continuous"])
def test_simhash_counts_fixed_codes(world: str) -> None:
    a_case = case("count", world=world, key="simhash", bits=4)  # so few that different states share a code
    scheme, _ = a_case.build()
    keys = {name: tensor.double().numpy() for name, tensor in scheme.state_dict()["keys"].items()}

    def code(flat: Array) -> tuple[bool, ...]:
        """Signs of whole numbers, stripes of floats."""
        if world == "grid":
            return tuple((flat @ keys["projection"] >= 0).tolist())
        measured = (flat - keys["mean"]) / keys["std"]
        return tuple((np.cos(measured @ keys["waves"] + keys["phases"]) >= 0).tolist())

    visits: Counter[tuple[bool, ...]] = Counter()
    for rollout in rollouts(a_case, 20, 7):
        bonus = scheme.compute(rollout).streams["intrinsic"]
        flat = encode_flat(rollout.next_obs, a_case.spec.obs).double().numpy()
        for t in range(rollout.steps):
            codes = [code(flat[t, env]) for env in range(4)]
            visits.update(codes)
            np.testing.assert_allclose(bonus[t].numpy(), [visits[code] ** -0.5 for code in codes], rtol=1e-6)
    assert 1 < len(visits) <= 16


def test_defaults_are_those_of_the_tabular_studies_but_for_the_tuned_weight() -> None:
    scheme, _ = case("count").build()
    task, bonus = scheme.streams
    assert (task.name, task.coef, bonus.name, bonus.coef, bonus.episodic) == ("task", 1.0, "intrinsic", 0.002, True)
    assert bonus.gamma == task.gamma == scheme.context.gamma
    assert scheme.assumes == frozenset() and scheme.privileged == ()


def test_counting_states_is_privileged() -> None:
    scheme, _ = case("count", key="state").build()
    assert scheme.assumes == {"privileged"} and scheme.privileged == ("state_hash",)


def test_a_world_that_hides_its_state_is_refused_in_one_line() -> None:
    with pytest.raises(
        UserError, match="reads the full-state fact state_hash, which made-up grid does not give"
    ) as error:
        count.Scheme(count.Config(plugin="count", key="state"), new_context(worlds()["grid"]))
    assert "\n" not in str(error.value)


def test_counting_views_that_are_vectors_is_refused_in_one_line() -> None:
    with pytest.raises(
        UserError,
        match="reward=count: key=view reads the image, the map or the cell, and made-up vector shows vector; set key",
    ):
        case("count", world="vector").build()


def test_state_is_two_integer_tensors() -> None:
    a_case = case("count")
    scheme, _ = a_case.build()
    scheme.compute(rollouts(a_case, 10)[0])
    state = scheme.state_dict()["visits"]
    assert {name: str(tensor.dtype) for name, tensor in state.items()} == {
        "keys": "torch.int64",
        "counts": "torch.int64",
    }
    assert state["counts"].sum() == 40


@pytest.mark.parametrize("channels", [None, 1])
def test_downscaled_pictures_are_counted_as_cells(channels: int | None) -> None:
    """Averages over patches, cut to levels, by hand: 10 rows and 9 columns into 3 x 3 patches of nearly equal size."""
    a_case = case("count", key="downscaled", cell_blocks=3, cell_depth=4, channels=channels)
    a_case = replace(a_case, spec=replace(a_case.spec, obs={"image": ObsSpec((10, 9, 2), "uint8", 255)}))
    scheme, _ = a_case.build()
    visits: Counter[object] = Counter()
    for rollout in rollouts(a_case, 12, 5):
        # The made-up pictures are noise: dimmed, some of them fall into one cell.
        for entries in (rollout.obs, rollout.next_obs, rollout.last_obs):
            entries["image"] = entries["image"] // 2 + 90
        rollout.distinct = None
        bonus = scheme.compute(rollout).streams["intrinsic"]
        for t in range(rollout.steps):
            cells = []
            for env in range(4):
                image = rollout.next_obs["image"][t, env].double().numpy()[..., -(channels or 0) :]
                rows, columns = ((0, 3), (3, 6), (6, 10)), ((0, 3), (3, 6), (6, 9))
                means = [image[a:b, c:d].mean(axis=(0, 1)) for a, b in rows for c, d in columns]
                cells.append(tuple((np.array(means) * 4 // 256).astype(int).flatten().tolist()))
            visits.update(cells)
            np.testing.assert_allclose(bonus[t].numpy(), [visits[cell] ** -0.5 for cell in cells], rtol=1e-6)
    assert 1 < len(visits) < sum(visits.values())


@pytest.mark.parametrize("name", ["first_visits", "noveld", "ride", "agac"])
def test_visits_within_episodes_are_told_by_downscaled_pictures_too(name: str) -> None:
    a_case = case(name, key="downscaled", cell_blocks=1, cell_depth=1)  # one cell: only first steps are new
    scheme, _ = a_case.build()
    coarse = scheme.keys if name == "agac" else scheme.visits.keys
    assert len(np.unique(coarse.reached(rollouts(a_case, 20)[0]))) == 1


def test_downscaling_what_is_no_picture_is_refused_in_one_line() -> None:
    with pytest.raises(UserError, match=r"key=downscaled reads the image, and made-up vector shows vector"):
        case("count", world="vector", key="downscaled").build()
    with pytest.raises(UserError, match=r"reward.channels=4: the image of made-up grid has 3"):
        case("count", key="downscaled", channels=4).build()
    with pytest.raises(UserError, match=r"key=view does not read reward.channels; key=downscaled does"):
        case("count", key="view", channels=1).build()
