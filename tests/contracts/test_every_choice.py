"""Every discovered reward scheme, agent and curriculum obeys the laws: a new one is tested without an edit here.

Of environments, of which there are many presets, those that stand for other code than MiniGrid's fast tasks.
"""

from importlib.util import find_spec

import pytest

from rewardlab import contracts, discovery
from rewardlab.config import composition

pytestmark = pytest.mark.usefixtures("composed_together")
NOTHING = ("curriculum", "none")  # it does nothing that could break a law
GROUPS = ("reward", "agent", "curriculum")
CHOICES = [(group, name) for group in GROUPS for name in discovery.choices(group) if (group, name) != NOTHING]
ENVS = ["bitflip", "deepsea", "formfill", "slots", "darkrooms", "maze", "doorkey_5x5", "goalgrid_fourrooms"]
ENVS += ["goalgrid_fetch_8x8_n3", "crafter", "bandit", "tabular", "coverage"]
ENVS += ["bandit_lipschitz", "bandit_linear", "bandit_knapsack", "bandit_tallying", "lending"]
ENVS += ["jobshop", "rtb", "element_graph", "meta_bo"]
ENVS += ["montezuma"] if find_spec("ale_py") else []  # the extra atari
# So few frames are played under laws that by default nothing is asked in them.
ASKS = ["reward.feedback_start=0", "reward.feedback_every=50", "reward.queries=6", "reward.hidden=[8]"]
ASKS += ["reward.segment=4", "reward.epochs=2"]
FEW = ["reward.feedback_start=0", "reward.feedback_every=50", "reward.sets=6", "reward.hidden=[8]", "reward.epochs=2"]
SIDES = ["reward.contexts=['agent_pos[0] - 3','3 - agent_pos[0]']", "reward.terms=['agent_pos[1]','-agent_pos[1]']"]
# A law holds whatever the size: no more individuals than emitters can share, chunks as short, narrower networks.
FEWER, SHORTER = "agent.population=60", "agent.chunk=90"
SMALL = {key: [FEWER] for key in ("random_search", "ga", "ga_ns", "ns", "taxons", "map_elites", "cma_me", "cma_mae")}
SMALL |= {key: [FEWER, SHORTER] for key in ("serene", "stax")}
SMALL |= {key: ["agent.hidden=[64,64]"] for key in ("cql", "iql", "bc")}
TEACHER = ["curriculum.filters=2", "curriculum.epochs=1"]
MODEL = ["agent.model_steps=3", "agent.model_hidden=[8]", "agent.reward_hidden=[8]", "agent.reward_rounds=1"]
MODEL += ["agent.rollout_length=4", "agent.rollout_batch=8", "agent.rollout_every=2"]
SMALL["morec"] = MODEL
SMALL |= {key: TEACHER for key in ("paired", "flexible_paired", "minimax", "repaired")}
# Options that lead to other code than the defaults do.
VARIANTS = [
    ("reward", "count", ["reward.key=state"]),
    ("reward", "count", ["reward.key=place"]),
    ("reward", "count", ["reward.scope=episodic"]),
    ("reward", "count", ["reward.shared=false"]),
    ("reward", "count", ["reward.key=simhash"]),
    ("reward", "count", ["reward.key=downscaled", "reward.cell_blocks=2"]),
    ("reward", "noveld", ["reward.key=state"]),
    ("reward", "ride", ["reward.key=simhash"]),
    ("reward", "ngu", ["reward.scale_error=false", "reward.distance_momentum=0.7"]),
    ("reward", "re3", ["reward.entropy=renyi", "reward.average=true", "reward.memory=0"]),
    ("reward", "mix", ["reward@reward.schemes.count=noveld", "+reward@reward.schemes.ngu=ngu"]),
    (
        "reward",
        "mix",
        ["reward@reward.schemes.rnd=re3", "+reward@reward.schemes.ride=ride", "reward.schemes.ride.coef_end=0"],
    ),
    ("reward", "rnd", ["reward.error=l2", "reward.normalise_observation=false", "reward.normalise_reward=false"]),
    ("reward", "rnd", ["reward.update_proportion=0.5", "reward.warmup=0"]),
    ("reward", "oni", ["reward.variant=ranking", "reward.per_iteration=9", "reward.steps=1"]),
    ("reward", "oni", ["reward.caption=both", "reward.error=0.5", "reward.per_iteration=5"]),
    ("reward", "icm", ["reward.normalise_reward=true"]),
    ("reward", "e3b", ["reward.paid=current", "reward.normalise_reward=false", "reward.normalise_features=false"]),
    ("reward", "disagreement", ["reward.features_from=inverse", "reward.share=1"]),
    ("reward", "deir", ["reward.novelty=plain", "reward.normalise_reward=false"]),
    ("reward", "byol_explore", ["reward.horizon=1", "reward.normalise_reward=false", "reward.clip_below_mean=false"]),
    ("reward", "byol_hindsight", ["reward.critic_steps=2", "reward.clip_below_mean=false"]),
    ("reward", "empowerment", ["reward.paid=state", "reward.source=best"]),
    ("reward", "empowerment", ["reward.source=uniform"]),
    ("reward", "empowerment", ["reward.latents=prioritised"]),
    ("reward", "cbet", ["reward.key=state", "reward.change=state"]),
    # Tables of their own are forgotten at random each for itself: who draws first matters, so no resets here.
    ("reward", "cbet", ["reward.change=panorama", "reward.shared=false", "reward.reset_probability=0"]),
    ("reward", "cbet", ["reward.reset_probability=0.1"]),
    ("reward", "mix", ["+reward@reward.schemes.icm=icm", "reward.schemes.count.scope=episodic"]),
    ("curriculum", "amigo", ["curriculum.reach=agent", "curriculum.batch_size=3"]),
    ("reward", "terms", ["reward.refine_every=1"]),
    ("reward", "mix", ["reward.refine_every=1"]),
    ("reward", "her", ["reward.strategy=final"]),
    ("reward", "her", ["reward.strategy=episode", "reward.k=2"]),
    ("reward", "her", ["reward.strategy=random", "reward.memory=50"]),
    ("reward", "rudder", ["reward.start_episodes=1", "reward.fit_every=1", "reward.fit_steps=3"]),
    ("reward", "redistribution", ["reward.method=uniform"]),
    ("reward", "redistribution", ["reward.method=spa", "reward.batch_size=20"]),
    ("reward", "redistribution", ["reward.method=diaster", "reward.batch_size=20"]),
    ("reward", "rrd", ["reward.batch_size=20", "reward.steps=5", "reward.unbiased=true"]),
    (
        "reward",
        "redistribution",
        ["reward.method=lare", "+reward.factors.d=distance", "reward.batch_size=20", "reward.steps=0"],
    ),
    ("reward", "progress", ["reward.method=potential", "reward.batch_size=20"]),
    ("reward", "progress", ["reward.method=pairwise_delta", "reward.batch_size=20"]),
    ("reward", "progress", ["reward.method=prover_advantage", "reward.pretrain=3", "reward.batch_size=20"]),
    ("reward", "progress", ["reward.method=segment_classifier", "reward.pretrain=3", "reward.segments=2"]),
    ("reward", "progress", ["reward.method=success_reference", "reward.hidden=8"]),
    ("env", "bitflip", ["env.n=7", "env.pays=goal"]),
    ("env", "deepsea", ["env.deterministic=false"]),
    ("env", "slots", ["env.distractors=2"]),
    ("env", "formfill", ["env.fields=1", "env.distractors=0"]),
    ("env", "bandit", ["env.kind=adversarial", "env.show=statistics"]),
    ("env", "tabular", ["env.kind=chain"]),
    ("env", "coverage", ["env.objective=items", "env.pay=modular", "env.show_visited=true"]),
    ("env", "coverage", ["env.objective=entropy"]),
    ("env", "jobshop", ["env.show=candidates"]),
    ("env", "tabular", ["env.kind=level", "env.task=MiniGrid-Empty-5x5-v0"]),
    ("env", "doorkey_5x5", ["env.max_steps=40"]),
    ("env", "gym", ["env.id=CartPole-v1"]),
    ("env", "gym", ["env.id=Pendulum-v1"]),
    ("env", "gym", ["env.id=CartPole-v1", "env.distractors=3"]),
    ("env", "gym", ["env.id=Pendulum-v1", "env.noise=0.3", "env.frame_stack=2"]),
    ("env", "minihack", ["env.id=MiniHack-Room-Random-5x5-v0", "env.view=crop"]),
    ("env", "pointplane", ["env.box=2"]),
    ("env", "mountaincar", ["env.noise=0.3"]),
    (
        "curriculum",
        "paired",
        [*TEACHER, "curriculum.walls=5", "curriculum.memory_size=4", "curriculum.vary_walls=true"],
    ),
    (
        "curriculum",
        "minimax",
        [*TEACHER, "curriculum.walls=5", "curriculum.order=goal_first", "curriculum.replay_prob=1"],
    ),
    ("curriculum", "backplay", ["curriculum.advance=schedule", "curriculum.window=3"]),
    ("curriculum", "backplay", ["curriculum.frontier=each", "curriculum.trials=2", "curriculum.stride=2"]),
    ("curriculum", "hint_prefix", ["curriculum.group=2", "curriculum.ordinary=0.3"]),
    ("curriculum", "subgoal_list", ["curriculum.encoding=language", "curriculum.accuracy=0.5"]),
    ("curriculum", "guided_retry", ["curriculum.shares=[0,0.5]", "curriculum.paid=false"]),
    (
        "curriculum",
        "privileged_actions",
        ["curriculum.form=extra", "curriculum.privileges=[goal,walls,locks]", "curriculum.per=step"],
    ),
    ("curriculum", "toponav", ["curriculum.feature=view", "curriculum.threshold=3", "curriculum.choice=random"]),
    ("curriculum", "formfill_meta", ["curriculum.capacity=3", "curriculum.noise=0.5", "curriculum.replay=0.9"]),
    ("agent", "ppo", ["agent.memory=gru"]),
    ("agent", "ppo", ["agent.network=cnn"]),
    ("agent", "ppo", ["agent.fused=false"]),
    ("agent", "ppo", ["agent.streams=joint"]),
    ("agent", "dqn", ["agent.dueling=true", "agent.noisy=true", "agent.double=false", "agent.huber=1"]),
    ("agent", "dqn", ["agent.heads=3", "agent.prior_scale=1", "agent.mask_probability=0.5", "agent.target_every=1"]),
    ("agent", "dqn", ["agent.heads=3", "agent.vote=mean", "agent.encoding=onehot", "agent.prior_scale=3"]),
    ("agent", "dqn", ["agent.network=cnn", "agent.heads=2", "agent.prior_scale=1"]),
    ("agent", "dqn", ["agent.temperature=0.5"]),
    ("agent", "dqn", ["agent.optimism=0.1"]),
    ("reward", "gail", ["reward.form=positive", "reward.gradient_penalty=0", "reward.memory=30"]),
    (
        "reward",
        "preference",
        [*ASKS, "reward.query=entropy", "reward.loss=scaled", "reward.beta=1", "reward.mistake=0.1"],
    ),
    ("reward", "preference", [*ASKS, "reward.comparator=success", "reward.agg=median", "reward.query=kcenter"]),
    ("reward", "preference", [*ASKS, "reward.explore=3", "reward.feedback_start=100", "reward.absorbing=false"]),
    (
        "reward",
        "preference",
        [*ASKS, "reward.two_pass=0.3", "reward.master_key=5", "reward.patterns=['agent_pos[0] > 2']"],
    ),
    ("reward", "preference", [*ASKS, "reward.init=regression", "reward.loss=margin", "reward.strength=direction"]),
    ("reward", "preference", [*ASKS, "reward.probe=['action + terminated']"]),
    ("reward", "preference", [*ASKS, "reward.comparator=context", "reward.model=context", *SIDES]),
    ("reward", "heron", [*ASKS, "reward.terms=['vector[0]', terminated]"]),
    ("reward", "vpl", [*FEW, "reward.encoder=concat", "reward.scaling=spo", "reward.episodes=1"]),
    ("reward", "vpl", [*FEW, "reward.dim=0", "reward.pooled=categorical"]),
    ("reward", "vpl", [*FEW, "reward.dim=0", "reward.pooled=mean_variance"]),
    ("reward", "vpl", [*FEW, "reward.query=informative"]),
    ("reward", "vpl", [*FEW, "reward.dim=0", "reward.scaling=learned", "reward.mistake=0.2"]),
    ("reward", "airl", ["reward.actions=false", "reward.memory=30", "reward.batch_size=20"]),
    ("reward", "polar", ["reward.policies=1", "reward.segment=3", "reward.batch_size=4"]),
    ("reward", "otr", ["reward.top=3", "reward.per_dimension=true"]),
    ("reward", "otr", ["reward.at_ends=true"]),
    ("reward", "calm", ["reward.table=counts", "reward.caption=both"]),
    ("reward", "calm", ["reward.subgoals=[]", "reward.error=0.3", "reward.delay=2"]),
    ("reward", "ellm", ["reward.threshold=0.1", "reward.error=0.3"]),
    ("reward", "goal_embedding", ["reward.encoder=counts", "reward.form=contrast", "reward.pay=direct"]),
    ("reward", "goal_embedding", ["reward.form=target", "reward.pay=direct", "reward.speed='agent_pos[0]'"]),
    ("reward", "drs", ["reward.stages=['vector[0]>0']", "reward.memory=20", "reward.batch_size=3"]),
    ("reward", "barfi", ["reward.aux='agent_pos[0] - 3'", "reward.every=2"]),
    ("reward", "explors", ["reward.key=state", "reward.clip=0.5"]),
    ("reward", "exprd", ["reward.adaptive=true", "reward.states=null"]),
    ("agent", "tabular", ["agent.rule=rlsvi"]),
    ("agent", "tabular", ["agent.rule=reward_free", "agent.pseudo=value_targeted"]),
    ("agent", "linear_bandit", ["agent.rule=lints"]),
    ("agent", "linear_bandit", ["agent.rule=sparse_net"]),
    ("agent", "knapsack_bandit", ["agent.rule=lagrange"]),
    ("agent", "adversarial_surprise", ["agent.turn_steps=2"]),
    ("agent", "go_explore", ["agent.return_by=policy"]),
    ("agent", "ns", [FEWER, "agent.descriptor=last"]),
    ("agent", "ns", [FEWER, "agent.descriptor=signature", "agent.signature_time=true"]),
    ("agent", "sac", ["agent.learn_temperature=false", "agent.temperature=0.1"]),
    ("agent", "sac", ["agent.optimism=0.0025"]),
    ("agent", "smore", ["agent.loss=dual", "agent.hindsight=0.5"]),
    ("agent", "morec", [*MODEL, "agent.choose=uniform"]),
    ("agent", "iql", ["agent.network=cnn", "agent.hidden=[16]"]),
    ("agent", "bc", ["agent.best=0.5", "agent.encoding=onehot"]),
    ("agent", "open_loop", ["agent.pd=joints", "agent.joints=[0,1]", "agent.velocities=[2,3]"]),
]


@pytest.mark.parametrize(
    ("group", "name", "overrides"),
    [
        pytest.param(group, name, SMALL.get(name, []), id=f"{group}={name}")
        for group, name in [*CHOICES, *(("env", name) for name in ENVS)]
    ]
    + [pytest.param(*variant, id="-".join([variant[1], *variant[2]])) for variant in VARIANTS],
)
def test_laws_hold(group: str, name: str, overrides: list[str]) -> None:
    if name == "minihack":
        pytest.importorskip("nle", reason="needs the extra minihack: make suites")
    config = getattr(composition.compose([f"{group}={name}", *overrides]).config, group)
    results = contracts.check(group, name, config)
    assert len(results) >= 6
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("group", GROUPS)
def test_every_plugin_has_a_choice(group: str) -> None:
    """A module in the package without a yaml would be neither offered nor tested."""
    assert set(discovery.plugins(group)) <= set(discovery.choices(group))
