#!/usr/bin/env bash
# ale-py 0.12.1 with gymnasium 1.2.0 and numpy 2.3.3: two pictures that are not of the state that they come with.
#
# - ALEInterface.restoreState puts back the console, not its screen: getScreen and its kin show what was drawn before,
#   until the next frame. One would expect the screen of the restored state. Who makes cells of pictures right after
#   restoring a state, as Go-Explore may, sees another one's.
# - AtariVectorEnv: where a game ends at the first or second of a step's four frames, the last observation is that of
#   the step before, though the console has gone on. One would expect the last frames that were emulated.
#
# The output that was seen is at the end; the script fails where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ale-py==0.12.1 gymnasium==1.2.0 numpy==2.3.3
"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import numpy as np
from ale_py import ALEInterface, LoggerMode, roms
from ale_py.vector_env import AtariVectorEnv

ALEInterface.setLoggerMode(LoggerMode.Error)


def game(name):
    ale = ALEInterface()
    ale.setInt("random_seed", 0)
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(roms.get_rom_path(name))
    ale.reset_game()
    return ale


one, other = game("montezuma_revenge"), game("montezuma_revenge")
for _ in range(40):
    one.act(3)
state, ram, screen = one.cloneState(), one.getRAM(), one.getScreen()
other.restoreState(state)
memory, shown = np.array_equal(other.getRAM(), ram), np.array_equal(other.getScreen(), screen)
one.act(0)
other.act(0)
later = np.array_equal(other.getScreen(), one.getScreen())
print(f"restored: memory equal {memory}, screen equal {shown}, after one more frame {later}")

env = AtariVectorEnv("breakout", 1, noop_max=0, use_fire_reset=False, reward_clipping=False)
early = stale = 0
rng = np.random.default_rng(0)
for seed in range(30):
    ale = game("breakout")
    actions = ale.getMinimalActionSet()
    before, _ = env.reset(seed=0)
    before = before.copy()
    while True:
        action = int(rng.integers(len(actions)))
        frames = 0
        while frames < 4 and not ale.game_over():
            ale.act(actions[action])
            frames += 1
        obs, _, terminated, _, _ = env.step(np.array([action]))
        if terminated[0]:
            if frames <= 2:
                early += 1
                stale += np.array_equal(obs[0, -1], before[0, -1])
            break
        before = obs.copy()
print(f"ends of Breakout at the first or second frame of a step: {early}, with the picture of the step before: {stale}")
PYTHON
diff - "$folder/seen" <<'SEEN'
restored: memory equal True, screen equal False, after one more frame True
ends of Breakout at the first or second frame of a step: 22, with the picture of the step before: 22
SEEN
