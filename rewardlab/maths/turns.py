"""Two players who take turns within an episode: which turns are over, what the one pays the other, whose steps follow.

Rows are steps, those of an environment together and in their order. A turn is over for whoever took it once the next
turn of the same player begins, or the episode ends: only then is known what it was worth, and what came next.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

_NEVER, _ENDED = -1, 1 << 62


@dataclass(frozen=True)
class Turns:
    """What is known of M steps.

    env: int64 [M]. turn: int64 [M], its number within the episode; the first player has the even ones.
    goes_on: bool [M], whether the row before is the step before, of the same episode.
    episode: int64 [M], numbered along the rows. ended: bool [M], whether it came to its end.
    over: bool [M], whether the turn is. waits: bool [M], whether it may yet come to that.
    steps: of a whole turn.
    """

    env: torch.Tensor
    turn: torch.Tensor
    goes_on: torch.Tensor
    episode: torch.Tensor
    ended: torch.Tensor
    over: torch.Tensor
    waits: torch.Tensor
    steps: int


@dataclass(frozen=True)
class Played:
    """The steps of one player in turns that are over, one after the other: L of them.

    rows: int64 [L], which they are. first, terminated, cut: bool [L], where its steps of an episode begin, where they
    stop because the episode ended, and because no more are over yet.
    """

    rows: torch.Tensor
    first: torch.Tensor
    terminated: torch.Tensor
    cut: torch.Tensor


def turns_of(env: torch.Tensor, step: torch.Tensor, done: torch.Tensor, coming: torch.Tensor, steps: int) -> Turns:
    """Tell the turns of M steps apart.

    Args:
        env: int64 [M]. step: int64 [M], its number within the episode, from 0. done: bool [M], it ended the episode.
        coming: int64 [N], the number of the step that each environment takes next; 0 where an episode begins.
        steps: of a turn.
    """
    turn = step // steps
    goes_on = torch.zeros_like(done)
    goes_on[1:] = (env[1:] == env[:-1]) & (step[1:] > 0)
    episode = (~goes_on).cumsum(0) - 1
    latest = torch.full((int(episode[-1]) + 1,), _NEVER, device=env.device)  # turn of each episode that has begun
    last = torch.ones_like(done)
    last[:-1] = env[1:] != env[:-1]
    latest[episode[last]] = torch.where(coming > 0, coming // steps, _NEVER)[env[last]]
    latest[episode[done]] = _ENDED
    begun = latest[episode]
    over = begun >= turn + 2
    return Turns(env, turn, goes_on, episode, begun == _ENDED, over, (begun != _NEVER) & ~over, steps)


def paid_back(turns: Turns, rewards: torch.Tensor) -> torch.Tensor:
    """For the last step of each turn minus what the next turn of the episode is paid altogether, 0 elsewhere: [M].

    Args:
        rewards: float [M].
    """
    begins = torch.ones_like(turns.goes_on)
    begins[1:] = ~turns.goes_on[1:] | (turns.turn[1:] != turns.turn[:-1])
    number = begins.cumsum(0) - 1
    sums = rewards.new_zeros(int(number[-1]) + 1).index_add_(0, number, rewards)
    last = (begins[1:] & turns.goes_on[1:]).nonzero()[:, 0]  # of turns that another one follows
    found = torch.zeros_like(rewards)
    found[last] = -sums[number[last] + 1]
    return found


def played_by(turns: Turns, player: int) -> Played:
    """The steps of player 0 or 1 that are to be learned from."""
    rows = (turns.over & (turns.turn % 2 == player)).nonzero()[:, 0]
    episode = turns.episode[rows]
    changes = torch.ones(len(rows) + 1, dtype=torch.bool, device=rows.device)
    changes[1:-1] = episode[1:] != episode[:-1]
    stops, ended = changes[1:], turns.ended[rows]
    return Played(rows, changes[:-1], stops & ended, stops & ~ended)


def next_own(turns: Turns, rows: torch.Tensor, values: torch.Tensor, coming: torch.Tensor) -> torch.Tensor:
    """Values of the steps with which a player's next turn begins, for the last steps of turns that it follows.

    Args:
        rows: int64 [L], these last steps: the turn of the other player that comes between is a whole one.
        values: [M, ...]. coming: [N, ...], of the steps that environments take next.

    Returns:
        [L, ...].
    """
    at = rows + turns.steps + 1
    beyond = at >= len(values)
    at = at.clamp(max=len(values) - 1)
    beyond |= turns.env[at] != turns.env[rows]
    shape = (-1, *[1] * (values.dim() - 1))
    return torch.where(beyond.view(shape), coming[turns.env[rows]], values[at])
