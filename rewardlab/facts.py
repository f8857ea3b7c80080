"""The names of full-state facts: what an environment can tell of its state besides the observation.

They are what `Config.privileged` asks for and `EnvSpec.privileged` offers; each fact is an array [N, ...]. Their shapes
stand in `gridworld/privileged.py` and `envs/grids/facts.py`.
"""

STATE_HASH = "state_hash"  # int64 [N]: equal for equal states
PLACE = "agent_pos"  # int64 [N, 2]: where the agent stands
POSITION = "position"  # float32 [N, D]: where the agent is, within `EnvSpec.place`
GRID = "grid"  # the whole grid
PANORAMA = "panorama"  # the views in all four directions
PICTURE = "picture"  # uint8 [N, H, W, 3]: the state drawn for people
DISTANCE = "distance"  # the fewest steps to success, which the solver knows
SITUATION = "situation"  # what tells the cells of Go-Explore apart: see `gridworld.privileged`
