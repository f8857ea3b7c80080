"""What goes into the buffer and what is drawn, against the steps that were played; and that runs go on exactly."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.agents.base import BaseAgent
from rewardlab.config.composition import Prepared, compose
from rewardlab.errors import UserError
from rewardlab.records import checkpoint
from rewardlab.rewards.base import BaseScheme
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning.base import make_learning
from rewardlab.training.learning.replay import Learning
from rewardlab.types import Windows

TINY = [
    "env=empty_5x5", "agent=dqn", "num_envs=4", "frames=1024", "eval.every=512", "eval.episodes=4",
    "agent.rollout_steps=8", "agent.learning_starts=64", "agent.batch_size=32", "agent.hidden=[16]",
]  # fmt: skip


def prepare(folder: Path, *overrides: str) -> Prepared:
    return compose([*TINY, *overrides, f"results_dir={folder}"])


class Watched:
    """An iteration at a time; every step played is written down as plain numbers."""

    def __init__(self, *overrides: str, scheme=None) -> None:
        self.config = compose([*TINY, *overrides]).config
        self.parts = build(self.config)
        if scheme is not None:
            self.parts.scheme = scheme(self.parts.scheme)
        self.learning = make_learning(self.config, self.parts)
        self.collector = self.learning.collector
        self.played = [[] for _ in range(4)]  # of each environment: image, action, reward, next image, ends
        collect = self.collector.collect

        def collected(steps, rng):
            rollout = collect(steps, rng)
            for t in range(rollout.steps):
                for env in range(4):
                    self.played[env].append(
                        (
                            rollout.obs["image"][t, env].clone(), int(rollout.action[t, env]),
                            float(rollout.task_reward[t, env]), rollout.next_obs["image"][t, env].clone(),
                            bool(rollout.terminated[t, env]), bool(rollout.truncated[t, env]),
                        )
                    )  # fmt: skip
            return rollout

        self.collector.collect = collected

    def iterate(self, count: int) -> None:
        for _ in range(count):
            self.learning.iterate(self.config.frames // 2)

    def kept(self):
        replay = self.learning._replay
        return replay.at(np.arange(len(replay)))


@pytest.mark.parametrize("n", [1, 3, 10])
def test_the_buffer_holds_n_step_transitions_of_what_was_played(n: int) -> None:
    watched = Watched(f"agent.n_step={n}", "agent.learning_starts=100_000")
    watched.iterate(16)  # episodes are cut off after 100 steps
    kept = watched.kept()
    assert len(kept.action) == 4 * (16 * 8 - (n - 1))
    expected = {}
    for env in range(4):
        for t in range(len(watched.played[env]) - (n - 1)):
            total, weight = 0.0, 1.0
            for _, _, reward, following, terminated, truncated in watched.played[env][t : t + n]:  # noqa: B007
                total, weight = total + weight * reward, 0.99 * weight
                if terminated or truncated:
                    break
            expected[t, env] = (total, 0.0 if terminated else weight, following)
    # Whole vector steps went in, in the order of time.
    order = [(t, env) for t in range(16 * 8 - (n - 1)) for env in range(4)]
    assert any(weight == pytest.approx(0.99**n) for _, weight, _ in expected.values())
    for place, (t, env) in enumerate(order):
        total, weight, following = expected[t, env]
        assert float(kept.extra["reward"][place]) == pytest.approx(total, rel=1e-5)
        assert float(kept.extra["discount"][place]) == pytest.approx(weight, rel=1e-5)
        assert torch.equal(kept.next_obs["image"][place], following)
        assert torch.equal(kept.obs["image"][place], watched.played[env][t][0])
        assert int(kept.action[place]) == watched.played[env][t][1]
    ends = [step for env in watched.played for step in env if step[5] and not step[4]]
    assert ends, "no time limit was met: the test shows less than it says"


@pytest.mark.parametrize("bonus", ["collected", "replayed"])
def test_the_bonus_is_of_its_time_or_of_now(bonus: str) -> None:
    watched = Watched(
        "reward=count", "reward.coef=0.5", "reward.task_coef=2", "agent.n_step=1", f"agent.bonus={bonus}",
    )  # fmt: skip
    watched.iterate(10)
    scheme, drawn = watched.parts.scheme, []
    watched.parts.agent.update_batch = lambda batch: (drawn.append(batch), ({}, torch.zeros(len(batch.action))))[1]
    watched.iterate(1)
    visits, first_bonus = {}, {}
    for t in range(len(watched.played[0])):
        for env in range(4):
            key = watched.played[env][t][3].numpy().tobytes()
            visits[key] = visits.get(key, 0) + 1
        for env in range(4):  # a vector step counts as a whole
            first_bonus[t, env] = visits[watched.played[env][t][3].numpy().tobytes()] ** -0.5
    assert drawn
    if bonus == "replayed":
        for image, reward in zip(drawn[-1].next_obs["image"], drawn[-1].extra["reward"], strict=True):
            now = visits[image.numpy().tobytes()] ** -0.5
            assert any(abs(float(reward) - (2 * task + 0.5 * now)) < 1e-5 for task in _rewards(watched))
    else:
        kept = watched.kept()
        for place in range(len(kept.action)):
            t, env = divmod(place, 4)
            expected = 2 * watched.played[env][t][2] + 0.5 * first_bonus[t, env]
            assert float(kept.extra["reward"][place]) == pytest.approx(expected, rel=1e-4)
    assert scheme.visits.look_up(scheme.visits.keys).sum() == 11 * 8 * 4, "paying anew counts nothing"


def _rewards(watched: Watched) -> set[float]:
    return {step[2] for env in watched.played for step in env}


def test_samples_are_drawn_as_many_as_asked_for() -> None:
    watched = Watched("agent.samples_per_step=3", "agent.learning_starts=1")
    watched.iterate(10)
    assert watched.parts.agent.updates == 10 * 8 * 4 * 3 // 32


class _Reversed(BaseScheme):
    """Relabels: pays 7 for the first step of each episode, which then ends there."""

    relabels = True

    def __init__(self, scheme) -> None:
        vars(self).update(vars(scheme))
        self.asked = []

    def relabel(self, episode, steps, rng):
        self.asked.append((len(episode), steps, float(episode.task_reward.sum())))
        rows = torch.arange(steps).clamp(max=len(episode) - 1)
        reward, ended = torch.full((steps, 1), 7.0), torch.zeros(steps, 1, dtype=torch.bool)
        ended[0] = True
        obs, next_obs = ({k: v[rows].unsqueeze(1) for k, v in e.items()} for e in (episode.obs, episode.next_obs))
        return Windows(obs, next_obs, episode.action[rows].unsqueeze(1), reward, ended, torch.zeros_like(ended))


def test_relabelled_windows_are_replayed_beside_what_was_played() -> None:
    watched = Watched("agent.n_step=3", "agent.learning_starts=100_000", scheme=_Reversed)
    watched.iterate(16)
    ended = sum(step[4] or step[5] for env in watched.played for step in env)
    kept = watched.kept()
    made = kept.extra["reward"] == 7.0
    assert int(made.sum()) == ended == len(watched.parts.scheme.asked) > 0
    assert bool((kept.extra["discount"][made] == 0).all())
    assert len(kept.action) == 4 * (16 * 8 - 2) + ended
    assert all(steps == 3 and length <= 100 for length, steps, _ in watched.parts.scheme.asked)
    statistics = watched.collector.statistics
    assert statistics.means() is None or statistics.means()[0] <= 1.0, "the task's return is the task's own"


RUNS = {
    "uniform": [],
    "prioritised": [
        "agent.prioritised=true",
        "reward=rnd",
        "reward.warmup=16",
        "agent.n_step=1",
        "agent.bonus=replayed",
    ],
    "bootstrapped": ["agent.heads=3", "agent.prior_scale=1", "agent.mask_probability=0.5", "agent.noisy=true"],
    "best episodes": ["env=bitflip", "env.n=6", "reward=ircr", "agent.n_step=1", "agent.bonus=replayed"],
    "return decomposition": [
        "env=bitflip",
        "env.n=6",
        "env.delayed_reward=true",
        "reward=rrd",
        "reward.steps=4",
        "agent.n_step=1",
        "agent.bonus=replayed",
    ],
    "continuous": [
        "env=gym",
        "env.id=Pendulum-v1",
        "agent=sac",
        "agent.samples_per_step=2",
        "agent.causal_swap=least",
        "agent.causal_every=300",
    ],
    "preferred": [
        "reward=preference",
        "reward.hidden=[8]",
        "reward.segment=8",
        "reward.feedback_start=0",
        "reward.feedback_every=128",
        "reward.queries=10",
        "reward.epochs=3",
        "agent.n_step=1",
        "agent.bonus=replayed",
    ],
}


@pytest.mark.parametrize("kind", RUNS)
def test_an_interrupted_run_goes_on_exactly(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault) -> None:
    options = [*RUNS[kind], "eval.every=1024", "checkpoint.every=256", "agent.buffer_size=500"]
    whole, broken = (prepare(tmp_path / name, *options) for name in ("whole", "broken"))
    dropped = []
    monkeypatch.setattr("rewardlab.records.store.RunStore.drop_replays", lambda self, but=None: dropped.append(but))
    assert run(whole) == 0
    with fault(Learning, "iterate", 20):
        assert run(broken) == 1
    assert run(broken) == 0
    assert json.loads((broken.folder / "manifest.json").read_text())["resume"] == "exact"
    states = [checkpoint.load(each.folder / "checkpoint.pt")[0] for each in (whole, broken)]
    buffers = [
        checkpoint.load(each.folder / state["replay"])[0] for each, state in zip((whole, broken), states, strict=True)
    ]
    assert flat(buffers[0]) and flat(states[0]["agent"])
    for left, right in [(buffers[0], buffers[1]), *((states[0][k], states[1][k]) for k in PIECES)]:
        assert flat(left).keys() == flat(right).keys()
        for name, value in flat(left).items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(flat(right)[name])), name


PIECES = ("agent", "learning", "collector", "streams", "scheme")


def flat(tree, prefix: str = "") -> dict:
    """The numbers of a checkpoint by dotted name; without the generators of a warm-up, which is over."""
    if isinstance(tree, (dict, list, tuple)):
        entries = tree.items() if isinstance(tree, dict) else enumerate(tree)
        entries = [(name, item) for name, item in entries if name != "warmup"]
        return {key: value for name, item in entries for key, value in flat(item, f"{prefix}.{name}").items()}
    return {} if tree is None or isinstance(tree, str) else {prefix: tree}


def test_the_buffer_has_a_file_of_its_own_as_long_as_it_is_needed(tmp_path: Path, monkeypatch) -> None:
    prepared = prepare(tmp_path, "checkpoint.every=256", "agent.buffer_size=200")
    seen = []
    iterate = Learning.iterate

    def watches(*arguments):
        files = sorted(path.name for path in prepared.folder.glob("replay-*.pt"))
        seen.append((files, checkpoint.load(prepared.folder / "checkpoint.pt")[0]["replay"]))
        if len(seen) == 30:
            raise RuntimeError("a fault in the middle")
        return iterate(*arguments)

    monkeypatch.setattr(Learning, "iterate", watches)
    assert run(prepared) == 1
    assert all(files == [named] for files, named in seen)  # one file, and it is the one that the checkpoint names
    assert len({named for _, named in seen}) > 2
    held = checkpoint.load(prepared.folder / seen[-1][1])[0]
    assert len(held["steps"]["action"]) == 200
    size = (prepared.folder / seen[-1][1]).stat().st_size
    assert size < 200 * (2 * 7 * 7 * 3 + 8 + 4 + 4) + 5000
    (prepared.folder / seen[-1][1]).unlink()
    monkeypatch.setattr(Learning, "iterate", iterate)
    assert run(prepared) == 1
    error = json.loads((prepared.folder / "status.json").read_text())["error"]
    assert "replay" in str(error) and "overwrite=true" in str(error)
    assert run(prepare(tmp_path, "checkpoint.every=256", "agent.buffer_size=200", "overwrite=true")) == 0
    assert not list(prepared.folder.glob("replay-*.pt")), "a finished run needs none"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["reward=agac"], "reward=agac agent=dqn: reads the policy's probabilities"),
        (["reward=sil"], "agent=dqn: can't learn from the loss that reward=sil hands to it"),
        (
            ["reward=noveld", "agent.n_step=1", "agent.bonus=replayed"],
            "one of count, disagreement, drs, exprd, gail, icm, perceptual_steps, polar, preference, progress, re",
        ),
        (
            ["reward=count", "reward.scope=episodic", "agent.n_step=1", "agent.bonus=replayed"],
            "reward=count agent.bonus=replayed: its bonus can't be paid anew",
        ),
        (["agent.n_step=3", "agent.bonus=replayed"], "agent.n_step=3: bonus=replayed pays single steps"),
        (
            ["reward=ircr"],
            "reward=ircr: pays steps when their episode has ended; set agent.bonus=replayed agent.n_step=1",
        ),
        (
            ["reward=ircr", "agent.n_step=1", "agent.bonus=replayed", "agent.demos=nowhere"],
            "agent.demos=nowhere: no dataset there",
        ),
        (["reward=rudder", "agent.n_step=1", "agent.bonus=replayed"], "reward=rudder agent.bonus=replayed: its bonus"),
        (["agent.learning_starts=300_000"], "agent.learning_starts=300000: more than buffer_size=100000"),
        (["agent.mask_probability=0.5"], "agent.mask_probability=0.5: only with heads > 1"),
        (["env=gym", "env.id=Pendulum-v1"], "agent=dqn: needs discrete actions, which Pendulum-v1 has not"),
        (["agent=sac"], "agent=sac: needs continuous actions"),
        (
            ["agent.causal_swap=random"],
            "agent.causal_swap=random: swaps one of several numbers, and MiniGrid-Empty-5x5-v0",
        ),
        (["agent.causal_every=5"], "agent.causal_every=5: only with causal_swap=least"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(overrides: list[str], said: str) -> None:
    options = [item for item in TINY if "hidden" not in item]
    with pytest.raises(UserError) as refusal:
        build(compose([*options, *overrides]).config)
    assert said in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_scheme_that_relabels_needs_replay() -> None:
    from rewardlab.training.compatibility import check_fit

    parts = build(compose(["env=empty_5x5", "agent=ppo"]).config)
    config = compose(["env=empty_5x5", "agent=ppo"]).config
    with pytest.raises(UserError, match=r"reward=none agent=ppo: relabels .* use agent=dqn or agent=sac"):
        check_fit(_Reversed(parts.scheme), parts.agent, config, parts.env.spec)
    with pytest.raises(UserError, match=r"needs act, rollout_steps, assess, value, update, and it has no act, roll"):
        check_fit(parts.scheme, _agent("on_policy"), config, parts.env.spec)


def test_what_a_plug_in_can_do_must_be_said() -> None:
    with pytest.raises(TypeError, match="relabels = True"):
        type("Forgetful", (BaseScheme,), {"relabel": _Reversed.relabel})
    with pytest.raises(TypeError, match="takes_aux_losses = True"):
        type("Forgetful", (BaseAgent,), {"take_aux_losses": lambda self, losses: None})


def _agent(learns_from: str) -> BaseAgent:
    """One that can do nothing."""
    return type("Idle", (BaseAgent,), {"learns_from": learns_from})()
