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
SIGHT = "sight"  # uint8 [N, 32, 32, 3]: the state drawn small, for networks; only rows that are looked at are drawn
DISTANCE = "distance"  # the fewest steps to success, which the solver knows
SITUATION = "situation"  # what tells the cells of Go-Explore apart: see `gridworld.privileged`
LAVA_BESIDE = "lava_beside"  # int64 [N]: how many of the four cells around the agent are lava
CARRYING = "carrying"  # int64 [N]: MiniGrid's number of the object that is carried, 5 for a key; 0: none
HELD = "held"  # int64 [N, 3]: MiniGrid's numbers of what is carried, its colour and state; zeros: nothing
AHEAD = "ahead"  # int64 [N, 3]: MiniGrid's numbers of the cell that the agent faces: kind, colour, state
DOORS_OPEN = "doors_open"  # int64 [N]: how many doors are open
LEVEL = "level"  # int64 [N]: the level's seed, -1 where there are endless ones; of the fast engine
ROOMS = "rooms_visited"  # int64 [N]: how many rooms the agent has been in during its episode
SILENCED = "rooms_silenced"  # int64 [N]: in how many rooms it has put an end to noise
BEGUN = "begun"  # int64 [N, 2]: where a curriculum had the episode begin, the two numbers of `Curriculum.propose`
INVENTORY = "inventory"  # int64 [N, 16]: how much of each item the agent has, of Crafter
UNLOCKED = "unlocked_"  # what names of facts begin with, int64 [N]: 1 where the episode has unlocked an achievement
GIVEN = "given"  # int64 [N, n]: the symbols in the slots of an answer, 0 for none
WANTED = "wanted"  # int64 [N, n]: the symbols that are right
RIGHT = "right"  # int64 [N]: how many slots are right
EVIDENCE = "evidence"  # int64 [N]: 1 where what tells the right answer was looked at before an answer was begun
MATCHED = "matched"  # float32 [N]: the share of a form's fields to be filled that hold what they are to hold
SEEN = "obs."  # and the name of an entry of the observation: beside the facts, for a conditioner that reads it
RAM = "ram"  # uint8 [N, 128]: the memory of an Atari console
LIVES = "lives"  # int64 [N]: lives that are left
ROOM = "room"  # int64 [N]: the game's number of the screen that the agent is on
SPOT = "spot"  # int64 [N, 2]: where on it, across and down, as the game counts
GAME_LEVEL = "game_level"  # int64 [N]: the level that the game has got to
ITEMS = "items"  # int64 [N]: what is carried, a bit each
GAP = "gap"  # float64 [N]: what the action of the step that led here costs in return, Q* of the best one less its own
BEST = "best"  # int64 [N]: 1 where that action was a best one
MAX_GAP = "max_gap"  # float64 [N]: what the worst arm costs, of bandits
TEACHER = "teacher"  # int64 [N]: the arm that UCB would have pulled then, on the same history, of bandits
VIOLATION = "violation"  # float64 [N]: how far an episode's constraints were violated in sum, of lending
GREEDY = "greedy"  # int64 [N]: 1 where that arm had the best mean reward so far of those pulled, of bandits
MAKESPAN = "makespan"  # int64 [N]: when the last of the operations ends that have begun, of job shops
OVER_OPTIMUM = "over_optimum"  # float64 [N]: a complete schedule's makespan / the least that there is; 0 before
STANDING = "standing"  # int64 [N, J + 1, 2 * M + 2]: a job shop and how far its schedule is, see `maths.shop_floor`
IMPROVEMENTS = "improvements"  # int64 [N]: how often what was tried was better than all before it, the first included
