#!/usr/bin/env bash
# minigrid 3.2.0 (gymnasium 1.4.0, numpy 2.4.6): BabyAI levels that nobody can solve.
#
# - OpenDoorsOrderN2Debug and N4Debug ask for one door, or for two in an order, and end unpaid where a wrong door is
#   opened. With two doors, opening the right first one ends the episode unpaid: the step that completes the first clause
#   is handed to the second clause too, which sees a door that is not its own. Two thirds of the levels have no solution.
#   One would expect that opening both doors in the order asked for is paid, as in OpenDoorsOrderN2.
# - Unlock puts the key "to a different room" than the locked one. It compares room numbers with `is`, and two draws of
#   numpy are never the same object: in some levels all keys of the door's colour lie behind the locked door.
#
# The output that was seen is at the end; the script fails where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet minigrid==3.2.0 gymnasium==1.4.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import contextlib
import io
from collections import deque

import gymnasium
import minigrid  # noqa: F401  registers the tasks

LEFT, RIGHT, FORWARD, TOGGLE = 0, 1, 2, 5
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def way_to_face(world, target):
    """Actions after which the agent faces a cell, through empty ones."""
    start = (*(int(v) for v in world.agent_pos), int(world.agent_dir))
    came, queue = {start: ()}, deque([start])
    while queue:
        x, y, turn = here = queue.popleft()
        ahead = (x + STEPS[turn][0], y + STEPS[turn][1])
        if ahead == target:
            return came[here]
        after = {LEFT: (x, y, (turn + 3) % 4), RIGHT: (x, y, (turn + 1) % 4)}
        if world.grid.get(*ahead) is None:
            after[FORWARD] = (*ahead, turn)
        for action, there in after.items():
            if there not in came:
                came[there] = (*came[here], action)
                queue.append(there)


def open_in_order(env_id):
    """Plays levels with two doors as they ask for; how many there are, how many are paid, after which door they end."""
    env = gymnasium.make(env_id).unwrapped
    levels, paid, ended = 0, 0, []
    for seed in range(100):
        env.reset(seed=seed)
        if not hasattr(env.instrs, "instr_b"):
            continue
        order = [env.instrs.instr_a, env.instrs.instr_b]
        if type(env.instrs).__name__ == "AfterInstr":
            order.reverse()
        levels += 1
        for doors, one in enumerate(order, start=1):
            for action in (*way_to_face(env, one.desc.obj_poss[0]), TOGGLE):
                _, reward, terminated, _, _ = env.step(action)
            if terminated:
                paid += reward > 0
                ended.append(doors)
                break
    return levels, paid, sorted(set(ended))


with contextlib.redirect_stdout(io.StringIO()):
    plain, strict = open_in_order("BabyAI-OpenDoorsOrderN2-v0"), open_in_order("BabyAI-OpenDoorsOrderN2Debug-v0")
    unlock, behind = gymnasium.make("BabyAI-Unlock-v0").unwrapped, 0
    for seed in range(100):
        unlock.reset(seed=seed)
        rooms = [room for row in unlock.room_grid for room in row]
        door = next(door for room in rooms for door in room.doors if door and door.is_locked)
        shut = next(room for room in rooms if [d for d in room.doors if d] == [door])
        keys = [thing for thing in unlock.grid.grid if thing and (thing.type, thing.color) == ("key", door.color)]
        behind += all(shut.pos_inside(*key.cur_pos) for key in keys)
print("two doors in order, levels, paid, ended after door: N2", plain, "N2Debug", strict)
print("Unlock: all keys behind the locked door in", behind, "of 100 levels")
PYTHON
diff - "$folder/seen" <<'SEEN'
two doors in order, levels, paid, ended after door: N2 (71, 71, [2]) N2Debug (71, 0, [1])
Unlock: all keys behind the locked door in 1 of 100 levels
SEEN
