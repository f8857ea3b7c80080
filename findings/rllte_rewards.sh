#!/usr/bin/env bash
# rllte-core 1.0.1 (RLeXplore) with torch 2.13.0, gymnasium 1.2.0 and numpy 2.4.6: what its intrinsic rewards pay.
#
# - `gamma`, the "intrinsic reward discount rate" of every reward, replaces each reward by the discounted sum of all before
#   it. The running sum never begins anew, not at ends of episodes either. One would expect rewards as without it, divided by
#   the spread of such sums, as RND's authors do. Novelty that stays the same ends at 1 / (1 - gamma) times the reward.
# - RE3, E3B and PseudoCounts score the observation that a step leaves, and never the one that it leads to, while RND scores
#   the latter. So the same novelty is paid one step later, to the action after it, and what an episode ends with is never
#   paid: in tasks that end at the goal, the goal's observation is not. One would expect one convention.
# - NGU raises in every `compute`, whatever its options: it never sets the bound `mrs` that it takes. Numbers of NGU are not
#   from this release.
#
# Installed without what the package pins beside it, which has no place beside a current gymnasium: the rewards need none of
# it. The output that was seen is at the end; the script fails where it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 gymnasium==1.2.0 numpy==2.4.6 pandas==2.3.3 matplotlib==3.11.2 \
    seaborn==0.13.2 termcolor==3.1.0 pynvml==11.5.0 huggingface-hub==0.14.1
"$folder/venv/bin/pip" install --quiet --no-deps rllte-core==1.0.1
"$folder/venv/bin/python" - 2>"$folder/warnings" <<'PYTHON' | tee "$folder/seen"
import gymnasium
import torch
from rllte.xplore.reward import E3B, NGU, RE3, RND, PseudoCounts

STEPS, ENVS = 64, 4
KEYS = ("observations", "actions", "rewards", "terminateds", "truncateds", "next_observations")
envs = gymnasium.make_vec("CartPole-v1", num_envs=ENVS)
envs.action_space.seed(0)
obs, _ = envs.reset(seed=0)
rows = []
for _ in range(STEPS):
    action = envs.action_space.sample()
    after, *paid, _ = envs.step(action)
    rows.append([torch.as_tensor(each) for each in (obs, action, *paid, after)])
    obs = after
samples = dict(zip(KEYS, map(torch.stack, zip(*rows))))


def pays(kind, samples, **options):
    """float [STEPS, ENVS]: what a fresh module pays for a rollout that it has watched."""
    torch.manual_seed(0)
    module = kind(envs, rwd_norm_type="none", obs_norm_type="none", **options)
    for step in range(STEPS):
        module.watch(*(samples[key][step] for key in KEYS))
    return module.compute({key: value.clone() for key, value in samples.items()})


plain, discounted = pays(RND, samples), pays(RND, samples, gamma=0.99)
running, sums = torch.zeros(ENVS), []
for reward in plain:
    running = 0.99 * running + reward
    sums.append(running)
print("RND with gamma=0.99 pays the discounted sums of the rewards before:", torch.allclose(discounted, torch.stack(sums)))
print(f"{int(samples['terminateds'].sum())} episodes ended on the way, and the sums went on")
print("the first rewards are as without gamma:", torch.equal(plain[0], discounted[0]))
print(f"step {STEPS} pays more than 100 times as much as without gamma:", bool((discounted[-1] > 100 * plain[-1]).any()))

for kind in (RND, RE3, E3B, PseudoCounts):
    changed = {
        key: not torch.equal(pays(kind, samples), pays(kind, samples | {key: samples[key] + 1}))
        for key in ("observations", "next_observations")
    }
    print(f"{kind.__name__}: rewards depend on the observation left: {changed['observations']}, reached: {changed['next_observations']}")

try:
    pays(NGU, samples)
except AttributeError as error:
    print("NGU:", error)
PYTHON
diff - "$folder/seen" <<'SEEN'
RND with gamma=0.99 pays the discounted sums of the rewards before: True
12 episodes ended on the way, and the sums went on
the first rewards are as without gamma: True
step 64 pays more than 100 times as much as without gamma: True
RND: rewards depend on the observation left: False, reached: True
RE3: rewards depend on the observation left: True, reached: False
E3B: rewards depend on the observation left: True, reached: False
PseudoCounts: rewards depend on the observation left: True, reached: False
NGU: 'NGU' object has no attribute 'mrs'
SEEN
