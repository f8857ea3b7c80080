"""Binary codes of vectors, which near ones share: each bit is one way of cutting space."""

import math

import torch


def sides(points: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
    """SimHash: on which side of K planes through the origin points are, [..., D] and [D, K] -> bool [..., K].

    Two points differ in a bit with a probability of their angle over pi, however far they are from the origin
    (Charikar 2002, Similarity estimation techniques from rounding algorithms).
    """
    return points @ normals >= 0


def stripes(points: torch.Tensor, waves: torch.Tensor, phases: torch.Tensor) -> torch.Tensor:
    """In which stripes of K patterns points are: cos(points @ waves + phases) >= 0, bool [..., K].

    Each pattern cuts all of space into parallel stripes pi / |wave| wide. So cells are as large far from the origin as
    near it, and two points differ in a bit the more often the farther they are apart, up to every second time
    (Raginsky and Lazebnik 2009, Locality-sensitive binary codes from shift-invariant kernels, without its thresholds).

    Args:
        points: [..., D].
        waves: [D, K], as `random_waves` draws them.
        phases: [K].
    """
    return torch.cos(points @ waves + phases) >= 0


def random_waves(size: int, bits: int, spread: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Waves [D, K] and phases [K] for `stripes`, float64.

    A step that is as long as two points of standard deviation 1 in each of D dimensions are apart, sqrt(2 D), changes
    the cosines' arguments by `spread` in the root mean square.
    """
    waves = torch.randn(size, bits, generator=generator, dtype=torch.float64) * (spread / math.sqrt(2 * max(size, 1)))
    return waves, 2 * math.pi * torch.rand(bits, generator=generator, dtype=torch.float64)
