"""Latents as streams: back as they were, at the size their tables say, better than equal steps."""

import numpy as np
import pytest

from escalate.compressors.code_points import distortion
from escalate.compressors.latent_code import (
    TABLED,
    Split,
    priors,
    uniform_code,
    variable_code,
)
from escalate.errors import StreamError
from workloads.errors import WorkloadError

SLACK_BYTES = 12  # head, the coder's last words


def latents(seed, *shape):
    """Channels of other spreads, coordinates of other certainty."""
    random = np.random.default_rng(seed)
    spread = np.array([3.0, 1.0, 0.01]).reshape(3, *(1,) * (len(shape)))
    deviations = np.exp(random.normal(-1.5, 1.2, (3, *shape)))
    return spread * random.normal(size=(3, *shape)), deviations


@pytest.fixture(scope="module")
def known():
    return latents(0, 6000)


@pytest.mark.parametrize("penalty", [0.0, 0.03, 1.0, 100.0])
@pytest.mark.parametrize("shape", [(1, 1), (16, 24)])
def test_points_come_back(known, penalty, shape):
    means, deviations = latents(1, *shape)
    code = variable_code(*known, priors(known[0]), penalty)
    chosen = code.choose(means, deviations)
    stream = code.encode(chosen)
    found = code.decode(stream)
    np.testing.assert_array_equal(found, chosen)
    assert code.values(found).shape == means.shape
    assert code.table_bytes() > 0


@pytest.mark.parametrize("step", [0.01, 0.5, 50.0])
def test_multiples_come_back(known, step):
    means, deviations = latents(1, 8, 5)
    code = uniform_code(known[0], step)
    chosen = code.choose(means, deviations)
    found = code.decode(code.encode(chosen))
    np.testing.assert_array_equal(found, chosen)
    inside = np.abs(means) < np.abs(known[0]).max(axis=1)[:, None, None] - step
    off = np.abs(code.values(found) - means)
    assert off[inside].max(initial=0) <= step / 2 * (1 + 1e-9)


def test_the_size_is_what_tables_and_plain_bits_say(known):
    means, deviations = latents(2, 64, 64)
    code = variable_code(*known, priors(known[0]), 0.1)
    chosen = code.choose(means, deviations)
    split = Split(10, TABLED)
    bits = 0.0
    for points, counts in zip(chosen, code.counts, strict=True):
        symbols = split.symbols[points]
        bits += -np.log2(counts[symbols] / counts.sum()).sum() + split.spare[symbols].sum()
    size = len(code.encode(chosen))
    assert bits / 8 <= size <= 1.001 * bits / 8 + SLACK_BYTES


def test_prices_are_those_of_the_training_latents(known):
    """Long points are dear where they were rare: an image alone cannot say so."""
    code = variable_code(*known, priors(known[0]), 1.0)
    certain = known[1] * 0 + 1e-6
    eager = variable_code(known[0], certain, priors(known[0]), 1.0)
    assert code.prices[0, 10] > eager.prices[0, 10] + 1
    means, deviations = latents(3, 20, 20)
    fewer = len(code.encode(code.choose(means, deviations)))
    assert fewer <= len(code.encode(eager.choose(means, deviations)))


@pytest.mark.parametrize("penalty", [0.03, 0.3, 3.0])
def test_variable_precision_costs_less_than_equal_steps_of_as_many_bytes(known, penalty):
    means, deviations = latents(4, 40, 40)
    code = variable_code(*known, priors(known[0]), penalty)
    chosen = code.choose(means, deviations)
    size, cost = len(code.encode(chosen)), distortion(means, deviations, code.values(chosen)).sum()
    for step in np.geomspace(8, 0.02, 100):
        uniform = uniform_code(known[0], step)
        found = uniform.choose(means, deviations)
        if len(uniform.encode(found)) >= size:
            break
    assert cost < 0.95 * distortion(means, deviations, uniform.values(found)).sum()


def test_latents_outside_of_what_was_seen_are_coded_all_the_same(known):
    means = np.full((3, 2, 2), 1e3)
    for code in (variable_code(*known, priors(known[0]), 0.1), uniform_code(known[0], 0.5)):
        chosen = code.choose(means, np.ones(means.shape))
        np.testing.assert_array_equal(code.decode(code.encode(chosen)), chosen)
        largest = known[0].max(axis=1)[:, None, None]
        assert (code.values(chosen) >= largest - 0.25).all()


def test_torn_streams_are_refused(known):
    code = variable_code(*known, priors(known[0]), 0.1)
    stream = code.encode(code.choose(*latents(5, 6, 6)))
    for place in range(len(stream)):
        with pytest.raises((StreamError, WorkloadError)):
            code.decode(stream[:place])
    with pytest.raises((StreamError, WorkloadError)):
        code.decode(stream + b"\x00")
    with pytest.raises(StreamError, match="latents: 0 x 6 in"):
        code.decode(b"\x00\x00" + stream[2:])
    with pytest.raises(StreamError, match="no stream of rate 0"):
        code.decode(b"\x01" + stream[1:])
    uniform = uniform_code(known[0], 0.5)
    stream = uniform.encode(uniform.choose(*latents(5, 6, 6)))
    with pytest.raises(StreamError, match="1 bytes behind the last one"):
        uniform.decode(stream + b"\x00")
