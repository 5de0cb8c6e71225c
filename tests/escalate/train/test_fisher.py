"""Fisher information: equal to a loop over images and classes, unbiased when drawn, refused."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from escalate.errors import DataError
from escalate.train import fisher as home
from escalate.train.fisher import Asked, fisher
from escalate.train.images import image_tensor
from escalate.train.modules import float_module
from tests.escalate.small_networks import (
    SETTINGS,
    TINY_SETTINGS,
    bright_corner,
    every_operator,
    random_pixels,
    tiny,
    with_random_weights,
)

NETWORK = with_random_weights(every_operator())
PIXELS = random_pixels(NETWORK.graph, 7)
LABELS = np.array([0, 4, 1, 1, 2, 3, 0])
IMAGE = SETTINGS.quantizer(PIXELS)
NAMES = [node.name for node in NETWORK.graph.convs]


def gradient(module, score):
    weights = [module.convolution(name).weights for name in NAMES]
    return [each.double() for each in torch.autograd.grad(score, weights, retain_graph=True)]


def plain(kind, temperature=1.0):
    """One image and one class after the other."""
    module = float_module(NETWORK)
    sums = [0.0] * len(NAMES)
    for pixels, label in zip(PIXELS, LABELS, strict=True):
        logs = functional.log_softmax(module(image_tensor(IMAGE, pixels[None])) / temperature, 1)[0]
        if kind == "labels":
            found = [g**2 for g in gradient(module, logs[label])]
        else:
            shares = logs.detach().exp().tolist()
            each = [gradient(module, log) for log in logs]
            found = [
                sum(share * g[i] ** 2 for share, g in zip(shares, each, strict=True))
                for i in range(len(NAMES))
            ]
        power = 2 if kind == "curvature" else 1
        sums = [total + one**power for total, one in zip(sums, found, strict=True)]
    return {name: total.numpy() / len(PIXELS) for name, total in zip(NAMES, sums, strict=True)}


def assert_equal(found, wanted, tolerance=1e-4):
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        assert found[name].dtype == np.float64
        assert found[name].shape == NETWORK.weights[name].shape
        assert values.max() > 0
        np.testing.assert_allclose(
            found[name], values, rtol=tolerance, atol=tolerance * values.max(), err_msg=name
        )


@pytest.mark.parametrize("kind", ["model", "labels", "curvature"])
@pytest.mark.parametrize("chunk", [1, 3, None])
def test_it_is_a_loop_of_single_backward_passes(kind, chunk):
    module = float_module(NETWORK)
    labels = LABELS if kind == "labels" else None
    assert_equal(fisher(module, IMAGE, PIXELS, Asked(kind), labels, chunk=chunk), plain(kind))


def test_a_temperature_divides_the_logits():
    found = fisher(float_module(NETWORK), IMAGE, PIXELS, Asked(temperature=3.0))
    assert_equal(found, plain("model", 3.0))


def test_both_formulas_are_one_number():
    """sum f_c (d log f_c)^2 is sum (d f_c)^2 / f_c."""
    module = float_module(NETWORK)
    sums = [0.0] * len(NAMES)
    for pixels in PIXELS:
        shares = functional.softmax(module(image_tensor(IMAGE, pixels[None])), 1)[0]
        for share in shares:
            parts = gradient(module, share)
            sums = [t + g**2 / share.item() for t, g in zip(sums, parts, strict=True)]
    wanted = {name: t.numpy() / len(PIXELS) for name, t in zip(NAMES, sums, strict=True)}
    assert_equal(fisher(module, IMAGE, PIXELS, Asked()), wanted)


@pytest.mark.parametrize("kind", ["model", "curvature"])
def test_draws_have_the_right_mean(kind):
    network = with_random_weights(tiny(), 3)
    pixels, _ = bright_corner(6)
    image, module = TINY_SETTINGS.quantizer(pixels), float_module(network)
    exact = fisher(module, image, pixels, Asked(kind, draws=0))
    runs = [fisher(module, image, pixels, Asked(kind, draws=2, seed=s)) for s in range(150)]
    for name, wanted in exact.items():
        every = np.stack([run[name] for run in runs])
        error = every.std(axis=0) / np.sqrt(len(runs))
        far = np.abs(every.mean(axis=0) - wanted) > 4.5 * error + 1e-9 * wanted.max()
        assert far.mean() < 0.01, name
        total = every.sum(axis=tuple(range(1, every.ndim)))
        assert abs(total.mean() - wanted.sum()) < 4 * total.std() / np.sqrt(len(runs))


def test_draws_are_the_seeds_whatever_the_chunks():
    module = float_module(NETWORK)
    one, two = (fisher(module, IMAGE, PIXELS, Asked(draws=3, seed=5), chunk=c) for c in (2, 7))
    other = fisher(module, IMAGE, PIXELS, Asked(draws=3, seed=6))
    assert_equal(one, two)
    assert not np.allclose(one["fc"], other["fc"])


def test_the_curvature_is_the_hessians_whatever_the_label():
    """Networks of these operators are piecewise linear in the weights of any one layer."""
    module = float_module(NETWORK).double()
    logs = functional.log_softmax(module(image_tensor(IMAGE, PIXELS[:1]).double()), 1)[0]
    for name in ("c3", "fc"):
        weights = module.convolution(name).weights
        for place in (0, 11, 23):
            h = []
            for label in (1, 3):
                (first,) = torch.autograd.grad(-logs[label], weights, create_graph=True)
                (second,) = torch.autograd.grad(first.flatten()[place], weights, retain_graph=True)
                h.append(float(second.flatten()[place]))
            found = fisher(float_module(NETWORK), IMAGE, PIXELS[:1], Asked())[name]
            np.testing.assert_allclose(h, found.ravel()[place], rtol=2e-3, atol=1e-9)


def test_a_squared_mean_is_another_number():
    module = float_module(NETWORK)
    mean = fisher(module, IMAGE, PIXELS, Asked("labels"), LABELS, batch_mean=True)
    each = fisher(module, IMAGE, PIXELS, Asked("labels"), LABELS)
    logs = functional.log_softmax(module(image_tensor(IMAGE, PIXELS)), 1)
    parts = gradient(module, logs[np.arange(7), LABELS].mean())
    assert_equal(mean, {n: p.numpy() ** 2 for n, p in zip(NAMES, parts, strict=True)}, 1e-3)
    assert mean["fc"].sum() < each["fc"].sum()


def test_few_images_at_once_where_memory_is_short(monkeypatch):
    wanted = fisher(float_module(NETWORK), IMAGE, PIXELS, Asked())
    monkeypatch.setattr(home, "MOST_VALUES", 1)
    assert_equal(fisher(float_module(NETWORK), IMAGE, PIXELS, Asked()), wanted)


def test_labels_are_checked():
    module = float_module(NETWORK)
    with pytest.raises(DataError, match="need labels, none were given"):
        fisher(module, IMAGE, PIXELS, Asked("labels"))
    for labels in (LABELS[:3], LABELS + 1):
        with pytest.raises(DataError, match=r"wanted 7 of 0\.\.4"):
            fisher(module, IMAGE, PIXELS, Asked("labels"), labels)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"draws": -2}, "draws is -2"),
        ({"kind": "curvature", "draws": 1}, "draws is 1, wanted .* not 1 for curvature"),
        ({"temperature": 0.0}, "temperature is 0.0, wanted a number > 0"),
    ],
)
def test_what_cannot_be_asked_is_refused(fields, message):
    with pytest.raises(DataError, match=message):
        Asked(**fields)
