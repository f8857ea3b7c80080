#!/usr/bin/env bash
# gymnax 1.0.1 with jax 0.10.2, numpy 2.4.6 and python-dateutil 4.0.0: two sparse tasks, and a start that fails.
#
# - FourRooms-misc with `use_visual_obs=True` draws walls by row and column and the agent by column and row. Under random play
#   it is not in its own cell in nine of ten pictures, and on a wall in one of seventeen. One would expect one order for both.
#   The other observation, of numbers, is not concerned.
# - DeepSea-bsuite ends every episode as terminated and truncated at once, because its time limit is its size. By the
#   task's own rule the last row is terminal. A learner that looks at `truncated` first goes on counting behind the end.
# - Where nothing else brings `six`, as since python-dateutil 4 nothing of what it asks for does, `import gymnax` raises.
#
# The output that was seen is at the end; the script fails where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet gymnax==1.0.1 jax==0.10.2 jaxlib==0.10.2 flax==0.12.8 numpy==2.4.6 gymnasium==1.3.0 \
    pandas==3.1.1 matplotlib==3.11.2 seaborn==0.13.2 python-dateutil==4.0.0
{
    "$folder/venv/bin/python" -c "import gymnax" 2>&1 | tail -n 1 || true
    "$folder/venv/bin/pip" install --quiet six==1.17.0
    "$folder/venv/bin/python" - 2>"$folder/warnings" <<'PYTHON'
import gymnax
import jax
import numpy as np

env, params = gymnax.make("FourRooms-misc", use_visual_obs=True)


def play(key):
    """Pictures [499, 13, 13, 2] and cells [499, 2] (row, column) of one episode of random play."""
    key, begin = jax.random.split(key)
    _, state = env.reset(begin, params)

    def step(state, key):
        choose, go = jax.random.split(key)
        picture, state, *_ = env.step(go, state, env.action_space(params).sample(choose), params)
        return state, (picture, state.pos)

    return jax.lax.scan(step, state, jax.random.split(key, 499))[1]


pictures, cells = map(np.asarray, jax.jit(jax.vmap(play))(jax.random.split(jax.random.key(0), 64)))
pictures, (row, column) = pictures.reshape(-1, 13, 13, 2), cells.reshape(-1, 2).T
walls, agent, each = pictures[..., 0], pictures[..., 1], np.arange(len(pictures))
print(f"FourRooms: {int(walls[each, row, column].sum())} of {len(each)} cells that the agent was in are walls in the picture")
print(f"FourRooms: drawn at its row and column in {agent[each, row, column].mean():.0%}, at column and row in {agent[each, column, row].mean():.0%}")
print(f"FourRooms: drawn on a wall in {(walls * agent).sum() / len(each):.0%}")

env, params = gymnax.make("DeepSea-bsuite")
_, state = env.reset(jax.random.key(0), params)
for _ in range(env.size):
    _, state, _, terminated, truncated, _ = env.step(jax.random.key(1), state, 0, params)
print(f"DeepSea: the last step is terminated: {bool(terminated)}, truncated: {bool(truncated)}")
PYTHON
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
ModuleNotFoundError: No module named 'six'
FourRooms: 0 of 31936 cells that the agent was in are walls in the picture
FourRooms: drawn at its row and column in 11%, at column and row in 100%
FourRooms: drawn on a wall in 6%
DeepSea: the last step is terminated: True, truncated: True
SEEN
