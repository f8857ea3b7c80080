#!/usr/bin/env bash
# ale-py 0.12.1 with gymnasium 1.4.0: vectorised Atari pays the sign of the reward, and nowhere the reward.
#
# `gymnasium.make_vec("ALE/X-v5", ...)` makes ale-py's AtariVectorEnv, which clips rewards to -1, 0, 1 unless told
# otherwise. `gymnasium.make` of the same id pays points. The infos hold no raw reward either, so that a score summed up from
# it, as gymnasium's vector wrappers do, is no score. One would expect one id to pay alike, or the points in the info.
# `reward_clipping=False` gives them.
#
# The output that was seen is at the end; the script fails where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ale-py==0.12.1 gymnasium==1.4.0 numpy==2.4.6
"$folder/venv/bin/python" - 2>"$folder/warnings" <<'PYTHON' | tee "$folder/seen"
import ale_py
import gymnasium
import numpy as np

gymnasium.register_envs(ale_py)
rng = np.random.default_rng(0)


def vector(**given):
    envs = gymnasium.make_vec("ALE/Qbert-v5", num_envs=4, **given)
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    paid, told = set(), set()
    for _ in range(500):
        _, reward, _, _, info = envs.step(rng.integers(0, 6, 4))
        paid |= set(reward.tolist())
        told |= set(info)
    return sorted(paid), sorted(told)


env = gymnasium.make("ALE/Qbert-v5")
env.reset(seed=0)
paid = set()
for _ in range(2000):
    _, reward, terminated, truncated, _ = env.step(int(rng.integers(6)))
    paid.add(reward)
    if terminated or truncated:
        env.reset()
print("make pays", sorted(paid))
rewards, infos = vector()
print("make_vec pays", rewards, "and its infos are", infos)
print("make_vec with reward_clipping=False pays", vector(reward_clipping=False)[0])
PYTHON
diff - "$folder/seen" <<'SEEN'
make pays [0.0, 25.0, 300.0]
make_vec pays [0, 1] and its infos are ['env_id', 'episode_frame_number', 'frame_number', 'lives']
make_vec with reward_clipping=False pays [0, 25]
SEEN
