"""The buffer of the best episodes against a sorted list."""

import numpy as np
import torch

from rewardlab.parts.buffers.ranked_episodes import RankedEpisodes
from rewardlab.types import Episode


def episode(number: int, length: int) -> Episode:
    obs = {"vector": torch.full((length, 1), float(number))}
    return Episode(obs, torch.arange(length), torch.zeros(length), True, False, False)


def held(buffer: RankedEpisodes) -> dict[int, int]:
    """How many steps of each episode are drawn, by a draw so large that it shows all."""
    batch = buffer.sample(4000, torch.Generator().manual_seed(0))
    steps = {(int(number), int(action)) for number, action in zip(batch.obs["vector"], batch.action, strict=True)}
    numbers = [number for number, _ in steps]
    return {number: numbers.count(number) for number in numbers}


def test_it_keeps_the_steps_of_the_best_episodes_and_what_fits_of_the_next() -> None:
    buffer = RankedEpisodes(10, lambda keys, facts: facts[:, 0])
    keys = np.arange(4)
    buffer.add([episode(0, 4), episode(1, 4)], [keys, keys], np.array([[0.5], [0.1]]))
    assert held(buffer) == {0: 4, 1: 4} and len(buffer) == 8
    buffer.add([episode(2, 4)], [keys], np.array([[0.3]]))
    assert held(buffer) == {0: 4, 2: 4, 1: 2} and len(buffer) == 10
    buffer.add([episode(3, 4)], [keys], np.array([[0.05]]))
    assert held(buffer) == {0: 4, 2: 4, 1: 2}
    buffer.add([episode(4, 9)], [np.arange(9)], np.array([[0.6]]))
    assert held(buffer) == {4: 9, 0: 1}
    assert buffer.facts.tolist() == [[0.6], [0.5]] or buffer.facts.tolist() == [[0.5], [0.6]]


def test_of_equals_the_newer_stays() -> None:
    buffer = RankedEpisodes(4, lambda keys, facts: facts[:, 0])
    buffer.add([episode(0, 4)], [np.arange(4)], np.array([[1.0]]))
    buffer.add([episode(1, 4)], [np.arange(4)], np.array([[1.0]]))
    assert held(buffer) == {1: 4}


def test_scores_are_asked_for_anew_with_the_keys_of_whole_episodes() -> None:
    asked: list[list[int]] = []

    def score(keys: list[np.ndarray], facts: np.ndarray) -> np.ndarray:
        asked.append([len(key) for key in keys])
        return facts[:, 0] if len(asked) == 1 else -facts[:, 0]

    buffer = RankedEpisodes(5, score)
    buffer.add([episode(0, 4), episode(1, 3)], [np.arange(4), np.arange(3)], np.array([[2.0], [1.0]]))
    assert held(buffer) == {0: 4, 1: 1}
    buffer.add([episode(2, 2)], [np.arange(2)], np.array([[3.0]]))
    assert sorted(asked[-1]) == [2, 3, 4]  # of the second, one step is left and all its keys
    assert held(buffer) == {1: 1, 0: 4}


def test_no_episodes_change_nothing() -> None:
    buffer = RankedEpisodes(5, lambda keys, facts: facts[:, 0])
    buffer.add([], [], np.array([]))
    assert len(buffer) == 0
