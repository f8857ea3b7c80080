"""The vocabulary: what environments, reward schemes, agents and the trainer hand to one another.

T is time within a rollout, N the number of environments, S the number of reward streams.
Observations are dicts of arrays so that images, missions and vectors travel alike:
``image`` uint8 [..., H, W, C], ``mission`` int64 tokens [..., L], ``vector`` float32 [..., D], ``cell`` int64 [..., 1],
the number of a state of a table. In worlds with goals ``goal`` and ``achieved``, both float32 [..., G]: what is to be
achieved, and what was (which no network reads).
"""

from rewardlab.types.agents import ActOutput, Agent, ExploringAgent, OnPolicyAgent, ReplayAgent
from rewardlab.types.aliases import Array, GoalOutcome, Metrics, Obs, State, TensorMetrics, TensorObs
from rewardlab.types.curricula import (
    Asked,
    Attempts,
    Conditioner,
    Curriculum,
    Outcomes,
    PlaceCurriculum,
    Privileges,
    Trail,
)
from rewardlab.types.levels import Attempted, LevelDesigner, Played, Round
from rewardlab.types.losses import AuxLoss, Judgement
from rewardlab.types.populations import Genome, Lives, Population
from rewardlab.types.schemes import BuildContext, LogProb, RewardScheme
from rewardlab.types.steps import (
    Assessment,
    DistinctObservations,
    Episode,
    Rollout,
    Signals,
    StreamSpec,
    Transitions,
    Windows,
)
from rewardlab.types.worlds import (
    CANDIDATES,
    MASK,
    ActionSpec,
    Arms,
    DesignableEnv,
    EnvSpec,
    GoalVecEnv,
    HeldOut,
    MakeEnv,
    Mdp,
    Native,
    ObsSpec,
    PlaceableEnv,
    StepBatch,
    TaskFacts,
    VecEnv,
)

__all__ = [
    "CANDIDATES",
    "MASK",
    "ActOutput",
    "ActionSpec",
    "Agent",
    "Arms",
    "Array",
    "Asked",
    "Assessment",
    "Attempted",
    "Attempts",
    "AuxLoss",
    "BuildContext",
    "Conditioner",
    "Curriculum",
    "DesignableEnv",
    "DistinctObservations",
    "EnvSpec",
    "Episode",
    "ExploringAgent",
    "Genome",
    "GoalOutcome",
    "GoalVecEnv",
    "HeldOut",
    "Judgement",
    "LevelDesigner",
    "Lives",
    "LogProb",
    "MakeEnv",
    "Mdp",
    "Metrics",
    "Native",
    "Obs",
    "ObsSpec",
    "OnPolicyAgent",
    "Outcomes",
    "PlaceCurriculum",
    "PlaceableEnv",
    "Played",
    "Population",
    "Privileges",
    "ReplayAgent",
    "RewardScheme",
    "Rollout",
    "Round",
    "Signals",
    "State",
    "StepBatch",
    "StreamSpec",
    "TaskFacts",
    "TensorMetrics",
    "TensorObs",
    "Trail",
    "Transitions",
    "VecEnv",
    "Windows",
]  # fmt: skip
