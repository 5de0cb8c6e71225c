"""Ranges: what is clipped, which tensors are signed, who owns a range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalate.errors import DecompositionError
from escalate.train.activation_range import (
    MSE_CANDIDATES,
    Range,
    choose_range,
    limits,
    logit_range,
    owner,
    tensor_ranges,
)
from tests.escalate.small_networks import every_operator, tiny
from workloads.graph import Graph, Node


@given(seed=st.integers(0, 99), method=st.sampled_from(["max", "percentile", "mse"]))
def test_no_method_goes_beyond_the_largest_magnitude(seed, method):
    sample = np.random.default_rng(seed).normal(size=1000)
    for low, high in ((0, 255), (-127, 127)):
        largest = np.abs(sample).max() if low else sample.max()
        assert 0 < choose_range(sample, low, high, method).limit <= largest * (1 + 1e-12)


def test_max_reaches_the_largest_and_percentile_ignores_one_outlier_in_many():
    sample = np.append(np.linspace(0, 1, 100_000), 50.0)
    assert choose_range(sample, 0, 255, "max").limit == pytest.approx(50.0)
    assert choose_range(sample, 0, 255, "percentile").limit == pytest.approx(1.0, rel=1e-3)


def test_mse_is_at_least_as_good_as_max_and_percentile():
    sample = np.random.default_rng(0).standard_t(3, 20_000)

    def error(span):
        steps = np.clip(np.rint(sample / span.scale), span.low, span.high)
        return ((steps * span.scale - sample) ** 2).sum()

    spans = {m: choose_range(sample, -127, 127, m) for m in ("max", "percentile", "mse")}
    assert error(spans["mse"]) < error(spans["max"])
    assert error(spans["mse"]) <= error(spans["percentile"]) * 1.02  # a grid of 80 clips


def least_squares(magnitudes, high):
    """Every candidate tried in full, the first of equals taken."""
    clips = magnitudes.max() * np.arange(1, MSE_CANDIDATES + 1) / MSE_CANDIDATES
    errors = [
        ((np.minimum(np.rint(magnitudes / (clip / high)), high) * (clip / high) - magnitudes) ** 2)
        for clip in clips
    ]
    return clips[np.argmin([error.sum() for error in errors])]


@given(
    seed=st.integers(0, 999),
    size=st.integers(1, 3000),
    kind=st.sampled_from(["normal", "half", "peaks", "grid", "few"]),
    high=st.sampled_from([127, 255]),
)
def test_mse_takes_the_clip_that_trying_all_in_full_finds(seed, size, kind, high):
    generator = np.random.default_rng(seed)
    values = {
        "normal": lambda: np.abs(generator.normal(size=size)),
        "half": lambda: np.maximum(generator.normal(size=size), 0),
        "peaks": lambda: np.abs(generator.standard_cauchy(size)),
        "grid": lambda: generator.integers(0, high + 1, size) / 7,
        "few": lambda: generator.integers(0, 3, size) * 0.3,
    }[kind]()
    values = np.append(values, 0.25).astype(np.float32).astype(np.float64)
    found = choose_range(values, 0 if high == 255 else -127, high, "mse")
    assert found.scale == least_squares(values, high) / high


@pytest.mark.parametrize("method", ["max", "percentile", "mse"])
def test_a_tensor_of_zeros_gets_a_unit_range(method):
    assert choose_range(np.zeros(9), -127, 127, method).limit == 1.0
    assert choose_range(-np.ones(9), 0, 255, method).limit == 1.0


def test_logits_have_sixteen_bits_and_room_to_grow():
    span = logit_range(np.array([3.0, -5.0]))
    assert (span.low, span.high, span.limit) == (-32768, 32767, 10.0)


def test_owners_and_limits_of_every_operator():
    graph = every_operator()
    assert owner(graph, "clip") == "c2"
    assert owner(graph, "columns") == "both"
    assert owner(graph, "flat") == "mean"
    found = limits(graph, signed_input=True)
    assert found == {
        "input": (-127, 127),
        "c1": (0, 255),
        "c2": (-127, 127),
        "sum": (-127, 127),
        "c3": (0, 255),
        "both": (0, 255),
        "dw": (-127, 127),
        "join": (0, 255),
        "mean": (0, 255),
        "fc": (-32768, 32767),
    }


def test_logits_behind_a_pool_have_sixteen_bits_too():
    mean = {"kernel": [2, 2], "stride": [2, 2], "padding": [0, 0, 0, 0]}
    nodes = (
        *tiny().nodes[:3],
        Node("mean", "avg_pool", ("middle",), (8, 1, 1), attributes=mean, relu=True),
        Node("flat", "flatten", ("mean",), (8, 1, 1)),
    )
    assert limits(Graph("g", nodes), signed_input=False)["mean"] == (0, 32767)


def test_an_output_that_a_convolution_reads_too_stays_at_eight_bits():
    nodes = (*tiny().nodes, Node("flat", "flatten", ("middle",), (8, 1, 1)))
    assert limits(Graph("g", nodes), signed_input=False)["middle"] == (0, 255)


def test_ranges_are_passed_on_and_rectified():
    graph = every_operator()
    owned = {n: Range(0.01, *b) for n, b in limits(graph, signed_input=True).items()}
    spans = tensor_ranges(graph, owned)
    assert spans["pool"] == owned["c1"]
    assert spans["clip"] == Range(0.01, 0, 100)  # clipped at 1.0
    assert spans["c3"] == Range(0.01, 0, 150)  # clipped at 1.5
    assert spans["flat"] == owned["mean"]


def test_a_missing_range_is_named():
    with pytest.raises(DecompositionError, match="c1: the tensor has no calibrated range"):
        tensor_ranges(every_operator(), {"input": Range(1.0, 0, 255)})


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(DecompositionError, match=r"scale is .*, wanted a finite"):
        Range(scale, 0, 255)


def test_a_range_without_zero_is_refused():
    with pytest.raises(DecompositionError, match=r"1\.\.255 does not hold 0"):
        Range(1.0, 1, 255)


@pytest.mark.parametrize("sample", [np.zeros(0), np.array([1.0, np.nan])])
def test_an_empty_or_infinite_sample_is_refused(sample):
    with pytest.raises(DecompositionError, match="is empty or not finite"):
        choose_range(sample, 0, 255, "max")
