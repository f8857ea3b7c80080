"""One command, one file: what it does and prints. The flags of all stand in `flags.py`."""

COMMANDS = {
    "run": "train one run, or a sweep with -m",
    "report": "write tables, figures and a page about finished runs",
    "show": "summarise one run, its curves as text",
    "status": "what the runs of a results folder are doing, live",
    "list": "show what there is to choose from",
    "play": "write a GIF of a run's policy at play",
    "label": "compare pieces of a run's play by hand, for reward=preference",
    "demos": "record demonstrations of the exact solver or of a trained run",
    "write": "write a reward in rounds, by a language model or without one; or check one that is written",
    "distance": "how far apart rewards are on a small task, once shaping and scale are taken out",
    "bench": "time the engine and the training of every scheme, as ratios",
    "check": "test an environment, scheme, agent or curriculum against the laws that all obey",
}
"""What each is for; `commands/NAME.py` has `main(given)`, which takes the flags and returns the exit code."""
