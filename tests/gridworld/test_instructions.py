"""BabyAI's instructions: limits that depend on them, what is taken up at the start, registers that are refused."""

import numpy as np
import pytest

from rewardlab.errors import UserError
from rewardlab.gridworld import make_vec
from rewardlab.gridworld.babyai_tasks import REGISTERS
from rewardlab.gridworld.catalogue import TASKS
from rewardlab.gridworld.constants import REGISTER
from rewardlab.gridworld.instructions import LIMIT, NUM_REGISTERS, WAITS
from rewardlab.gridworld.reference import make_reference

BOSS, CARRYING = "BabyAI-MiniBossLevel-v0", "BabyAI-PutNextS5N2Carrying-v0"


def test_limits_are_faramas_and_never_above_the_catalogue_s() -> None:
    envs, env, seeds = make_vec(BOSS, 60), make_reference(BOSS), range(60)
    envs.reset(seed=list(seeds))
    limits = envs.get_state()["registers"][:, LIMIT - REGISTER].tolist()
    theirs = []
    for seed in seeds:
        env.reset(seed=seed)
        theirs.append(env.max_steps)
    assert limits == theirs
    assert len(set(limits)) > 3 and max(limits) <= TASKS[BOSS].max_steps and TASKS[BOSS].limits_vary


def test_what_waits_is_taken_up_with_the_first_action_and_its_drop_does_not_count() -> None:
    envs = make_vec(CARRYING, 40, autoreset=False)
    envs.reset(seed=0)
    before = envs.get_state()
    assert not before["carried"].any() and (before["registers"][:, WAITS - REGISTER] > 0).all()
    _, rewards, _, _, _ = envs.step(np.full(40, 4))
    after = envs.get_state()
    assert not rewards.any() and not after["registers"][:, WAITS - REGISTER].any()
    dropped = ~after["carried"].any(axis=1)
    assert 0 < dropped.sum() < 40


def test_registers_that_no_kernel_could_follow_are_refused() -> None:
    assert REGISTERS == NUM_REGISTERS
    envs = make_vec(CARRYING, 2)
    envs.reset(seed=0)
    state = envs.get_state()
    envs.set_state(state)
    state["registers"][1] = 2**30
    with pytest.raises(UserError, match="registers: environment 1"):
        envs.set_state(state)
    with pytest.raises(UserError, match="a mission that a drawing cannot say"):
        envs.set_drawing("\n".join(["##" * 9, *["##>>" + "  " * 6 + "##"], *["##" + "  " * 7 + "##"] * 2, "##" * 9]))
