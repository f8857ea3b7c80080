#!/usr/bin/env bash
# minigrid 3.2.0 with gymnasium 1.4.0: what the observation space of BabyAI's tasks says of missions and pictures.
#
# - The mission space takes every text for a mission, and every sample of it is "go", which no level asks for. One would
#   expect samples to be missions: code that learns the vocabulary or the length of missions from them learns one word.
# - The picture is declared as bytes up to 255 and holds codes of things from 0 to 10. Divided by the declared bound, as
#   policies on pictures do, all of it lies below 0.04.
# - Drawing a level prints "Sampling rejected: ..." lines to stdout, where a program's own output goes.
#
# The output that was seen is at the end; the script fails where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet minigrid==3.2.0 gymnasium==1.4.0
"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import contextlib
import io

import gymnasium
import minigrid  # noqa: F401  registers the tasks

printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    env = gymnasium.make("BabyAI-GoToObjMaze-v0")
    shown = [env.reset(seed=seed)[0] for seed in range(20)]
space = env.observation_space["mission"]
print("a text that is no mission is in the space:", space.contains("no mission at all"))
print("samples:", sorted({space.sample() for _ in range(100)}))
print("missions of 20 levels:", len({each["mission"] for each in shown}), "different, among them", shown[0]["mission"])
image = env.observation_space["image"]
print("pictures: declared up to", int(image.high.max()), "and found up to", int(max(each["image"].max() for each in shown)))
print("stdout while drawing 20 levels:", printed.getvalue().splitlines()[0])
PYTHON
diff - "$folder/seen" <<'SEEN'
a text that is no mission is in the space: True
samples: ['go']
missions of 20 levels: 13 different, among them go to the grey key
pictures: declared up to 255 and found up to 5
stdout while drawing 20 levels: Sampling rejected: unreachable object at (14, 17)
SEEN
