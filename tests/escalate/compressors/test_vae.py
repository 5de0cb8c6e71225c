"""The autoencoder: its loss, its seeds, and a run that was killed ends with the same weights."""

import numpy as np
import pytest
import torch

from escalate.compressors import vae_training
from escalate.compressors.vae import Normalization, Vae, VaeSizes
from escalate.compressors.vae_training import VaeOptions, patches, trained_vae
from escalate.errors import CheckpointError, DataError, DecompositionError

SIZES = VaeSizes(features=6, latents=4)
QUICK = VaeOptions(epochs=3, patches=64, patch=16)


@pytest.fixture
def pixels():
    random = np.random.default_rng(0)
    return random.integers(0, 256, (3, 3, 20, 24), dtype=np.uint8)


def weights(vae):
    return {name: values.clone() for name, values in vae.state_dict().items()}


def same(left, right):
    return all(torch.equal(left[name], right[name]) for name in left)


def test_the_loss_is_the_evidence_lower_bound():
    vae = Vae(SIZES, 1)
    torch.manual_seed(0)
    images, noise = torch.rand(2, 3, 8, 8), torch.randn(2, 4, 2, 2)
    means, deviations = vae.encode(images)
    drawn = torch.distributions.Normal(vae.decode(means + deviations * noise), 1e-3**0.5)
    likelihood = drawn.log_prob(images).sum()
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Normal(means, deviations), torch.distributions.Normal(0.0, 1.0)
    ).sum()
    constant = 3 * 64 * 0.5 * np.log(2 * np.pi * 1e-3)
    wanted = (divergence - likelihood) / 2 - constant
    torch.testing.assert_close(vae.loss(images, noise), wanted, rtol=1e-4, atol=1e-2)


def test_normalization_divides_by_its_neighbours():
    module = Normalization(3, inverse=False)
    with torch.no_grad():
        module.own.copy_(torch.tensor([1.0, 2.0, 0.5]))
        module.mutual.copy_(torch.arange(9.0).reshape(3, 3) / 10)
    maps = torch.randn(1, 3, 2, 2)
    power = module.own.square() + 1e-6
    sums = torch.einsum("ij,bjhw->bihw", module.mutual.square(), maps.square())
    root = (sums + power[:, None, None]).sqrt()
    torch.testing.assert_close(module(maps), maps / root)
    module.inverse = True
    torch.testing.assert_close(module(maps), maps * root)


def test_images_of_any_size_and_seeds():
    vae = Vae(SIZES, 1)
    means, deviations = vae.encode(torch.zeros(1, 3, 12, 20))
    assert means.shape == deviations.shape == (1, 4, 3, 5)
    assert (deviations > 0).all()
    assert vae.decode(means).shape == (1, 3, 12, 20)
    assert same(weights(vae), weights(Vae(SIZES, 1)))
    assert not same(weights(vae), weights(Vae(SIZES, 2)))


def test_training_lowers_the_loss_and_depends_on_its_seed_alone(pixels):
    told = []
    first = trained_vae(pixels, SIZES, QUICK, progress=lambda *each: told.append(each))
    assert [each[:2] for each in told] == [(1, 3), (2, 3), (3, 3)]
    assert told[-1][2] < told[0][2]
    torch.manual_seed(99)
    assert same(weights(first), weights(trained_vae(pixels, SIZES, QUICK)))
    other = trained_vae(pixels, SIZES, VaeOptions(epochs=3, patches=64, patch=16, seed=1))
    assert not same(weights(first), weights(other))


def test_a_run_that_was_killed_goes_on(pixels, tmp_path):
    whole = weights(trained_vae(pixels, SIZES, QUICK))
    file = tmp_path / "vae.safetensors"

    def kill(epoch, epochs, loss):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained_vae(pixels, SIZES, QUICK, checkpoint=file, progress=kill)
    told = []
    last = trained_vae(pixels, SIZES, QUICK, checkpoint=file, progress=lambda *e: told.append(e[0]))
    assert told == [3]
    assert same(whole, weights(last))
    again = trained_vae(pixels, SIZES, QUICK, checkpoint=file, progress=lambda *e: told.append(e))
    assert told == [3]
    assert same(whole, weights(again))
    with pytest.raises(CheckpointError, match="belongs to another run"):
        trained_vae(pixels[:1], SIZES, QUICK, checkpoint=file)


def test_patches_are_squares_of_the_images(pixels):
    found = patches(pixels, 200, 8, np.random.default_rng(0))
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (8, 8), axis=(2, 3))
    known = {each.tobytes() for each in windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 3, 8, 8)}
    straight = [each.tobytes() in known for each in found]
    mirrored = [np.ascontiguousarray(each[..., ::-1]).tobytes() in known for each in found]
    assert all(a or b for a, b in zip(straight, mirrored, strict=True))
    assert 60 < sum(straight) < 140


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "vae: epochs is 0"),
        ({"patches": 31}, "vae: patches is 31"),
        ({"seed": -1}, "vae: seed is -1"),
        ({"patch": 30}, "vae: patch is 30"),
        ({"learning_rate": 0.0}, r"vae: learning_rate is 0\.0"),
    ],
)
def test_options_that_are_refused(change, message):
    with pytest.raises(DecompositionError, match=message):
        VaeOptions(**change)


@pytest.mark.parametrize("change", [{"features": 0}, {"latents": -1}, {"noise": np.nan}])
def test_sizes_that_are_refused(change):
    (field,) = change
    with pytest.raises(DecompositionError, match=f"vae: {field} is .*, wanted above 0"):
        VaeSizes(**change)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3, 8, 32), np.uint8), r"wanted 16 x 16 pixels at least"),
        (np.zeros((0, 3, 32, 32), np.uint8), r"wanted 16 x 16 pixels at least"),
        (np.zeros((2, 1, 32, 32), np.uint8), r"uint8 \(2, 1, 32, 32\), wanted uint8 \(N, 3, H, W"),
        (np.zeros((2, 3, 32, 32)), "are float64"),
    ],
)
def test_pixels_that_are_refused(images, message):
    with pytest.raises(DataError, match=message):
        trained_vae(images, SIZES, QUICK)


def test_a_loss_that_is_none_is_told(pixels, monkeypatch):
    monkeypatch.setattr(vae_training, "_epoch", lambda *_: float("nan"))
    with pytest.raises(DecompositionError, match="loss of epoch 1 is not finite"):
        trained_vae(pixels, SIZES, QUICK)
