"""latent_code: an image's latents as bytes, with tables that the decoder already has.

What training latents say is the decoder's: of every channel a prior, and for every rate a table of
counts of what is chosen, where what never was counts for a sixteenth.  A stream holds one image: a
byte that names the rate; in groups of seven bits height and width of its map of latents and the
bytes of the code of symbols; that code, channel by channel in C order; then the plain bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from escalate.compressors import counts as tables
from escalate.compressors import plain_bits, symbols
from escalate.compressors.code_points import (
    LONGEST,
    CodePoints,
    cheapest,
    choose,
    code_points,
    length_bits,
)
from escalate.compressors.priors import Quantiles
from escalate.compressors.vbq_stream import Split
from escalate.errors import StreamError
from workloads.formats.bits import pack_number, unpack_number

KNOTS = 65  # of a channel's prior
REACH = 0.5  # how far a prior goes beyond the latents that were seen, over their own reach
LEAST_REACH = 1e-3  # and at least so far, of N(0, 1), for channels that are always the same
SEEN = 16  # what was seen once counts for so much more than what was not
TABLED = 5  # first bits of a point that have a table
MOST_SIDE = 1 << 16  # latents of a map in each direction


Tables = Sequence[np.ndarray] | np.ndarray  # of counts, one for each channel


class LatentCode(Protocol):
    """How latents become bytes at one rate."""

    def choose(self, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
        """Numbers for latents, int, shape (C, H, W), which ``encode`` writes."""

    def encode(self, chosen: np.ndarray) -> bytes:
        """Numbers as one stream."""

    def decode(self, stream: bytes) -> np.ndarray:
        """The numbers of a stream."""

    def values(self, chosen: np.ndarray) -> np.ndarray:
        """The latents that numbers stand for, float64, shape (C, H, W)."""

    def table_bytes(self) -> int:
        """What a decoder has to know for this rate, in bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class VariableCode:
    """Code points of each channel's prior, by variational Bayesian quantization.

    Parameters
    ----------
    penalty : lambda
    grids : code points of each channel
    prices : float64, shape (C, N + 1), bits of points of each length
    counts : int64, shape (C, S), of symbols, each above 0
    rate : 0..255, which of the decoder's tables these are
    """

    penalty: float
    grids: tuple[CodePoints, ...]
    prices: np.ndarray
    counts: np.ndarray
    rate: int = 0

    def choose(self, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
        """The cheapest point of each latent, given what lengths cost in the training latents."""
        return np.stack(
            [
                cheapest(mean, deviation, grid, self.penalty * price)
                for mean, deviation, grid, price in zip(
                    means, deviations, self.grids, self.prices, strict=True
                )
            ]
        )

    def encode(self, chosen: np.ndarray) -> bytes:
        """Points as one stream."""
        split = self._split()
        found = split.symbols[chosen]
        tail = plain_bits.pack(split.tails[chosen], split.spare[found])
        return _stream(self.rate, found, self.counts) + tail.tobytes()

    def decode(self, stream: bytes) -> np.ndarray:
        """The points of a stream."""
        split = self._split()
        found, rest = _symbols(stream, self.rate, self.counts)
        tails, place = plain_bits.unpack(rest, 0, split.spare[found])
        _check_end(rest[place:])
        return split.first[found] + tails

    def values(self, chosen: np.ndarray) -> np.ndarray:
        """The values of points."""
        pairs = zip(self.grids, chosen, strict=True)
        return np.stack([grid.values[points] for grid, points in pairs])

    def table_bytes(self) -> int:
        """The tables, packed; what lengths cost is the encoder's business."""
        return _packed_bytes(self.counts)

    def _split(self) -> Split:
        return _split_of(self.grids[0].longest)


def _split_of(longest: int) -> Split:
    return Split(longest, min(TABLED, longest))


def priors(means: np.ndarray) -> tuple[Quantiles, ...]:
    """The distribution of each channel's means, float, shape (C, n); its ends lie farther out.

    Examples
    --------
    >>> (prior,) = priors(np.array([[-1.0, 0.0, 3.0]]))
    >>> prior.knots[[0, 32, 64]].tolist()
    [-1.501, 0.0, 4.501]
    """
    found = []
    for channel in means:
        knots = Quantiles.of(channel, KNOTS).knots.copy()
        knots[[0, -1]] = _reach(channel)
        found.append(Quantiles(knots))
    return tuple(found)


def _reach(values: np.ndarray) -> np.ndarray:
    """The least and the largest value that are provided for."""
    ends = np.array([values.min(), values.max()])
    beyond = REACH * (ends - np.median(values))
    found: np.ndarray = ends + beyond + np.array([-LEAST_REACH, LEAST_REACH])
    return found


def variable_code(
    means: np.ndarray,
    deviations: np.ndarray,
    priors: Sequence[Quantiles],
    penalty: float,
    rate: int = 0,
    longest: int = LONGEST,
) -> VariableCode:
    """The code that training latents ask for at a penalty lambda.

    Parameters
    ----------
    means, deviations : float, shape (C, n), of posteriors of training images
    priors : of each channel
    penalty : lambda
    rate : 0..255, its number among the decoder's
    longest : N
    """
    grids = tuple(code_points(prior, longest) for prior in priors)
    split = _split_of(longest)
    prices, counts = [], []
    for mean, deviation, grid in zip(means, deviations, grids, strict=True):
        first = choose(mean, deviation, grid, penalty, passes=1)
        price = length_bits(first.lengths, longest)
        points = cheapest(mean, deviation, grid, penalty * price)
        prices.append(price)
        counts.append(SEEN * np.bincount(split.symbols[points], minlength=split.size) + 1)
    return VariableCode(penalty, grids, np.array(prices), np.array(counts), rate)


@dataclass(frozen=True, slots=True, eq=False)
class UniformCode:
    """The nearest multiples of one step.

    Parameters
    ----------
    step : float > 0
    lows : int64, shape (C,), the least multiple of each channel that has a table
    counts : of each channel the counts of multiples from ``lows`` on, int64, each above 0
    rate : 0..255, which of the decoder's tables these are
    """

    step: float
    lows: np.ndarray
    counts: tuple[np.ndarray, ...]
    rate: int = 0

    def choose(self, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
        """The nearest multiple, counted from the channel's least; none outside the table."""
        sizes = np.array([each.size for each in self.counts])[:, None, None]
        found = np.rint(means / self.step).astype(np.int64) - self.lows[:, None, None]
        return np.clip(found, 0, sizes - 1)

    def encode(self, chosen: np.ndarray) -> bytes:
        """Multiples as one stream."""
        return _stream(self.rate, chosen, self.counts)

    def decode(self, stream: bytes) -> np.ndarray:
        """The multiples of a stream."""
        found, rest = _symbols(stream, self.rate, self.counts)
        _check_end(rest)
        return found

    def values(self, chosen: np.ndarray) -> np.ndarray:
        """The values of multiples."""
        found: np.ndarray = (chosen + self.lows[:, None, None]) * self.step
        return found

    def table_bytes(self) -> int:
        """The tables, packed."""
        return _packed_bytes(self.counts)


def uniform_code(means: np.ndarray, step: float, rate: int = 0) -> UniformCode:
    """The code that training latents, float, shape (C, n), ask for at a step."""
    found = np.rint(means / step).astype(np.int64)
    ends = np.rint(np.array([_reach(channel) for channel in means]) / step).astype(np.int64)
    counts = tuple(
        SEEN * np.bincount(row - low, minlength=high - low + 1) + 1
        for row, (low, high) in zip(found, ends, strict=True)
    )
    return UniformCode(step, ends[:, 0], counts, rate)


def _packed_bytes(counts: Tables) -> int:
    """What the tables take where they are stored."""
    return sum(tables.encode(each).size for each in counts)


def _stream(rate: int, chosen: np.ndarray, counts: Tables) -> bytes:
    """Symbols (C, H, W) under the tables of their channels."""
    groups = [(each.ravel(), table) for each, table in zip(chosen, counts, strict=True)]
    code = symbols.encode(groups)
    sizes = [pack_number(size) for size in (*chosen.shape[1:], code.size)]
    return bytes([rate]) + np.concatenate([*sizes, code]).tobytes()


def _symbols(stream: bytes, rate: int, counts: Tables) -> tuple[np.ndarray, np.ndarray]:
    """The symbols (C, H, W) of a stream, and the bytes behind their code."""
    payload = np.frombuffer(stream, np.uint8)
    if stream[:1] != bytes([rate]):
        raise StreamError(f"latents: no stream of rate {rate}")
    height, place = unpack_number(payload, 1)
    width, place = unpack_number(payload, place)
    size, place = unpack_number(payload, place)
    if not 0 < height < MOST_SIDE or not 0 < width < MOST_SIDE or size > payload.size - place:
        raise StreamError(f"latents: {height} x {width} in {size} bytes")
    stop = place + size
    found = symbols.decode(payload[place:stop], [(height * width, table) for table in counts])
    return np.array(found).reshape(-1, height, width), payload[stop:]


def _check_end(rest: np.ndarray) -> None:
    """Refuse a stream that goes on."""
    if rest.size:
        raise StreamError(f"latents: {rest.size} bytes behind the last one")
