#!/usr/bin/env bash
# navix 0.7.4 with jax 0.5.3: four environments with MiniGrid's names that are other tasks than MiniGrid's.
#
# - DoorKey: a key that was dropped lies on the floor, and still opens the door. In MiniGrid the hand is empty then.
# - GoToDoor: an episode ends with reward 1 when the agent faces the right door. In MiniGrid it must choose `done` there,
#   and without `done` nobody succeeds.
# - DistShift1: lava does nothing. In MiniGrid it ends the episode.
# - KeyCorridor: has no solution. The search below tries every action in every state that can be reached; the agent never
#   leaves its cell. Known upstream: epignatelli/navix, issue 98.
#
# A learning curve on one of these names says nothing of MiniGrid's task of that name. The output that was seen is at the
# end; the script fails where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet navix==0.7.4 jax==0.5.3 jaxlib==0.5.3 flax==0.10.6 chex==0.1.90 distrax==0.1.5 \
    optax==0.2.8 numpy==2.4.6
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - 2>"$folder/warnings" <<'PYTHON' | tee "$folder/seen"
from functools import partial

import jax
import navix
import numpy as np

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)


def play(name, actions):
    env = navix.make(name)
    step, now = jax.jit(env.step), jax.jit(env.reset)(jax.random.PRNGKey(0))
    for action in actions:
        now = step(now, action)
    return now


def door_is(actions):
    return "open" if play("Navix-DoorKey-5x5-v0", actions).state.get_doors().open[0] else "locked"


# The agent begins in the corner, turned right; the key lies below it, the door is in the third row.
down = [RIGHT, FORWARD, FORWARD]
print("DoorKey, toggle without the key: the door is", door_is([*down, PICKUP, LEFT, TOGGLE]))
fetched = [RIGHT, PICKUP, FORWARD, FORWARD, LEFT, LEFT, DROP]
key = np.asarray(play("Navix-DoorKey-5x5-v0", fetched).state.get_keys().position[0]).tolist()
print("DoorKey, the key dropped at", key, "and the door toggled: it is", door_is([*fetched, RIGHT, TOGGLE]))

env = navix.make("Navix-GoToDoor-8x8-v0", observation_fn=navix.observations.none)


@partial(jax.jit, static_argnums=1)
def succeeded(key, episodes):
    def one(carry, key):
        now, won, over = carry
        now = jax.vmap(env.step)(now, jax.random.randint(key, (episodes,), 0, DONE))  # never `done`
        won |= ~over & (now.reward > 0)
        return (now, won, over | now.is_done()), None

    first = jax.vmap(env.reset)(jax.random.split(key, episodes))
    no = jax.numpy.zeros(episodes, bool)
    return jax.lax.scan(one, (first, no, no), jax.random.split(key, env.max_steps))[0][1].mean()


share = float(succeeded(jax.random.PRNGKey(0), 2000))
print(f"GoToDoor-8x8, random actions without `done` succeed in {share:.1%} of 2,000 episodes of 100 steps")

now = play("Navix-DistShift1-v0", [FORWARD, FORWARD])
place = np.asarray(now.state.get_player().position).tolist()
lava = np.asarray(now.state.entities["lava"].position).tolist()
print("DistShift1, the agent stands in lava:", place in lava, "and the episode is over:", bool(now.is_done()))

env = navix.make("Navix-KeyCorridorS3R1-v0", max_steps=1_000_000)
step, start = jax.jit(env.step), jax.jit(env.reset)(jax.random.PRNGKey(0))


def of(now):
    return b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(now.state.entities))


known, edge, places, paid = {of(start)}, [start], set(), False
while edge:
    now = edge.pop()
    places.add(tuple(np.asarray(now.state.get_player().position).tolist()))
    for action in range(7):
        after = step(now, action)
        paid |= bool(after.reward > 0)
        if of(after) not in known:
            known.add(of(after))
            edge.append(after)
print("KeyCorridorS3R1:", len(known), "states can be reached,", len(places), "cell; anything pays:", paid)
PYTHON
diff - "$folder/seen" <<'SEEN'
DoorKey, toggle without the key: the door is locked
DoorKey, the key dropped at [2, 1] and the door toggled: it is open
GoToDoor-8x8, random actions without `done` succeed in 36.5% of 2,000 episodes of 100 steps
DistShift1, the agent stands in lava: True and the episode is over: False
KeyCorridorS3R1: 8 states can be reached, 1 cell; anything pays: False
SEEN
