"""numpy's random streams inside kernels: SeedSequence, PCG64 and the bounded draws of `numpy.random.Generator`.

A stream is a row of uint64 [N, 6]: state high, state low, increment high, increment low, whether half a word is
left over, and that half. Every draw equals numpy's bit for bit, and leaves the stream where numpy's would stand.

Sources: O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms" (2014), XSL-RR 128/64;
O'Neill, "Developing a seed_seq alternative" (2015); Lemire, "Fast Random Integer Generation in an Interval" (2019).
"""

import numpy as np

from rewardlab.gridworld.constants import COLOURS_BY_NAME
from rewardlab.kernel_cache import inner

STREAM_WORDS = 6

# Typed constants: in numba, uint64 combined with a plain int becomes a float.
_U = np.uint64
_ZERO, _ONE, _11, _16, _32, _58, _63, _64 = (_U(n) for n in (0, 1, 11, 16, 32, 58, 63, 64))
_LOW32 = _U(0xFFFFFFFF)
_MULTIPLIER_HIGH, _MULTIPLIER_LOW = _U(0x2360ED051FC65DA4), _U(0x4385DF649FCCF645)
_INIT_A, _MULT_A = _U(0x43B0D7E5), _U(0x931E8875)
_INIT_B, _MULT_B = _U(0x8B51F9DD), _U(0x58F38DED)
_MIX_LEFT, _MIX_RIGHT = _U(0xCA01F9DD), _U(0x4973F715)


@inner
def _high_product(a, b):
    """The upper 64 bits of the 128-bit product of two uint64."""
    a_low, a_high = a & _LOW32, a >> _32
    b_low, b_high = b & _LOW32, b >> _32
    middle = a_high * b_low + ((a_low * b_low) >> _32)
    other = a_low * b_high + (middle & _LOW32)
    return a_high * b_high + (middle >> _32) + (other >> _32)


@inner
def _advance(streams, i):
    """One step of the 128-bit congruential generator under PCG64."""
    high, low = streams[i, 0], streams[i, 1]
    new_low = low * _MULTIPLIER_LOW
    new_high = _high_product(low, _MULTIPLIER_LOW) + high * _MULTIPLIER_LOW + low * _MULTIPLIER_HIGH
    total = new_low + streams[i, 3]
    carry = _ONE if total < new_low else _ZERO
    streams[i, 0] = new_high + streams[i, 2] + carry
    streams[i, 1] = total


@inner
def next_uint64(streams, i):
    """The next 64 random bits of stream i (the left-over half word, if any, stays for later, as in numpy)."""
    _advance(streams, i)
    high, low = streams[i, 0], streams[i, 1]
    value, turn = high ^ low, high >> _58
    return (value >> turn) | (value << ((_64 - turn) & _63))


@inner
def next_uint32(streams, i):
    """The next 32 random bits of stream i, as uint64: the low half of a word first, then its high half."""
    if streams[i, 4] != _ZERO:
        streams[i, 4] = _ZERO
        return streams[i, 5]
    word = next_uint64(streams, i)
    streams[i, 4] = _ONE
    streams[i, 5] = word >> _32
    return word & _LOW32


@inner
def next_float(streams, i):
    """A float64 in [0, 1) with 53 random bits: `Generator.random()`."""
    return np.float64(next_uint64(streams, i) >> _11) * (1.0 / 9007199254740992.0)


@inner
def below(streams, i, count):
    """An int64 in [0, count), 1 <= count <= 2**32: `Generator.integers(0, count)`; count 1 draws nothing."""
    if count <= 1:
        return np.int64(0)
    size = _U(count)
    product = next_uint32(streams, i) * size
    leftover = product & _LOW32
    if leftover < size:
        threshold = (_LOW32 - (size - _ONE)) % size
        while leftover < threshold:
            product = next_uint32(streams, i) * size
            leftover = product & _LOW32
    return np.int64(product >> _32)


@inner
def between(streams, i, low, high):
    """An int64 in [low, high): `Generator.integers(low, high)`."""
    return low + below(streams, i, high - low)


@inner
def any_colour(streams, i):
    """A colour index, drawn as an element of the alphabetical list of names."""
    return COLOURS_BY_NAME[below(streams, i, 6)]


@inner
def another_colour(streams, i, colour):
    """A colour index other than this one, drawn as an element of the alphabetical list of the other names."""
    skip = below(streams, i, 5)
    for place in range(6):
        if COLOURS_BY_NAME[place] == colour:
            continue
        if skip == 0:
            return COLOURS_BY_NAME[place]
        skip -= 1
    return np.int64(colour)


@inner
def shuffle(streams, i, items, start, count):
    """Shuffles items[i, start : start + count] as `Generator.shuffle` does a list (masked rejection, from the last)."""
    for last in range(count - 1, 0, -1):
        mask = _U(last)
        for shift in (1, 2, 4, 8, 16):
            mask |= mask >> _U(shift)
        other = next_uint32(streams, i) & mask
        while other > _U(last):
            other = next_uint32(streams, i) & mask
        a, b = start + last, start + np.int64(other)
        items[i, a], items[i, b] = items[i, b], items[i, a]


@inner
def _hash_word(value, constant, multiplier):
    """SeedSequence's hash of one 32-bit word; returns the hash and the next constant."""
    value = (value ^ constant) & _LOW32
    constant = (constant * multiplier) & _LOW32
    value = (value * constant) & _LOW32
    return value ^ (value >> _16), constant


@inner
def _mix(x, y):
    result = (_MIX_LEFT * x - _MIX_RIGHT * y) & _LOW32
    return result ^ (result >> _16)


@inner
def seed_stream(streams, i, seed, tag):
    """Starts stream i as `Generator(PCG64(SeedSequence(seed)))`.

    Args:
        streams: uint64 [N, 6], changed in place.
        seed: uint64.
        tag: uint64 below 2**32; 0 gives numpy's stream of that seed, others give independent ones, equal to
            `SeedSequence([seed % 2**32, seed >> 32, tag])`.
    """
    a, constant = _hash_word(seed & _LOW32, _INIT_A, _MULT_A)
    b, constant = _hash_word(seed >> _32, constant, _MULT_A)
    c, constant = _hash_word(tag, constant, _MULT_A)
    d, constant = _hash_word(_ZERO, constant, _MULT_A)
    # Every word of the pool is mixed into every other one, in order.
    h, constant = _hash_word(a, constant, _MULT_A)
    b = _mix(b, h)
    h, constant = _hash_word(a, constant, _MULT_A)
    c = _mix(c, h)
    h, constant = _hash_word(a, constant, _MULT_A)
    d = _mix(d, h)
    h, constant = _hash_word(b, constant, _MULT_A)
    a = _mix(a, h)
    h, constant = _hash_word(b, constant, _MULT_A)
    c = _mix(c, h)
    h, constant = _hash_word(b, constant, _MULT_A)
    d = _mix(d, h)
    h, constant = _hash_word(c, constant, _MULT_A)
    a = _mix(a, h)
    h, constant = _hash_word(c, constant, _MULT_A)
    b = _mix(b, h)
    h, constant = _hash_word(c, constant, _MULT_A)
    d = _mix(d, h)
    h, constant = _hash_word(d, constant, _MULT_A)
    a = _mix(a, h)
    h, constant = _hash_word(d, constant, _MULT_A)
    b = _mix(b, h)
    h, constant = _hash_word(d, constant, _MULT_A)
    c = _mix(c, h)
    # Eight 32-bit words out: two rounds over the pool.
    constant = _INIT_B
    w0, constant = _hash_word(a, constant, _MULT_B)
    w1, constant = _hash_word(b, constant, _MULT_B)
    w2, constant = _hash_word(c, constant, _MULT_B)
    w3, constant = _hash_word(d, constant, _MULT_B)
    w4, constant = _hash_word(a, constant, _MULT_B)
    w5, constant = _hash_word(b, constant, _MULT_B)
    w6, constant = _hash_word(c, constant, _MULT_B)
    w7, constant = _hash_word(d, constant, _MULT_B)
    start_high, start_low = w0 | (w1 << _32), w2 | (w3 << _32)
    path_high, path_low = w4 | (w5 << _32), w6 | (w7 << _32)
    streams[i, 2] = (path_high << _ONE) | (path_low >> _63)
    streams[i, 3] = (path_low << _ONE) | _ONE
    streams[i, 0] = _ZERO
    streams[i, 1] = _ZERO
    _advance(streams, i)
    low = streams[i, 1] + start_low
    carry = _ONE if low < start_low else _ZERO
    streams[i, 0] = streams[i, 0] + start_high + carry
    streams[i, 1] = low
    _advance(streams, i)
    streams[i, 4] = _ZERO
    streams[i, 5] = _ZERO
