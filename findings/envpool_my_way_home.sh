#!/usr/bin/env bash
# envpool 1.2.5 beside vizdoom 1.3.2: what the task MyWayHome pays.
#
# vizdoom's scenario pays 1 for the armour and -0.0001 for every tic before it; this is the sparse maze of the literature on
# exploration. EnvPool's MyWayHome-v1 loads the same map, leaves out the scenario's own rewards, and pays for changes of
# game variables instead: 0.005 for each point of armour, nothing for time. Most episodes that reach the armour, and so
# terminate, are paid nothing; the others 0.5, and none 1. A learner that is paid by it sees about one success in four.
# Its action space is Box of five floats unless use_combined_action is set; then 18 actions.
#
# The output that was seen is at the end (of 80 episodes of random play, 20 reached the armour: 15 paid 0, 5 paid 0.5);
# the script fails where it has changed. It downloads some 700 MB.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet envpool==1.2.5 vizdoom==1.3.2 gymnasium==1.4.0 numpy==2.4.6
cd "$folder"  # games write into the folder that they are run in
"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from pathlib import Path

import envpool
import numpy as np
import vizdoom

scenario = (Path(vizdoom.scenarios_path) / "my_way_home.cfg").read_text()
print("vizdoom:", next(line for line in scenario.splitlines() if line.startswith("living_reward")))
game = vizdoom.DoomGame()
game.load_config(str(Path(vizdoom.scenarios_path) / "my_way_home.cfg"))
game.set_window_visible(False)
game.set_seed(0)
game.init()
rng, theirs = np.random.default_rng(0), []
while len(theirs) < 5:
    game.new_episode()
    while not game.is_episode_finished():
        game.make_action(np.eye(5)[rng.integers(5)].tolist(), 4)
    if not game.is_episode_timeout_reached():
        theirs.append(game.get_total_reward())
game.close()
print("vizdoom, episodes that reach the armour: all paid more than 0.7:", min(theirs) > 0.7)

env = envpool.make("MyWayHome-v1", env_type="gymnasium", num_envs=8, seed=0, use_combined_action=True)
env.reset()
paid, returns = [], np.zeros(8)
while len(paid) < 20:
    _, reward, terminated, truncated, _ = env.step(rng.integers(env.action_space.n, size=8))
    returns += reward
    for i in np.flatnonzero(terminated | truncated):
        if terminated[i]:
            paid.append(round(float(returns[i]), 3))
        returns[i] = 0
print("envpool, episodes that reach the armour: paid", sorted(set(paid)), "- more than half paid 0:", paid.count(0.0) > len(paid) / 2)
PYTHON
diff - "$folder/seen" <<'SEEN'
vizdoom: living_reward = -0.0001
vizdoom, episodes that reach the armour: all paid more than 0.7: True
envpool, episodes that reach the armour: paid [0.0, 0.5] - more than half paid 0: True
SEEN
