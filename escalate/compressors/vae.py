"""vae: a small convolutional variational autoencoder of images, for latents to compress.

Its encoder makes of every 4 x 4 pixels a normal posterior over C latents, its decoder pixels of
them.  Both take images of any size that is a multiple of 4.  Prior N(0, 1) and a normal likelihood
of one variance for all pixels, as in Yang, Bamler, Mandt (ICML 2020), whose network is larger.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from escalate.errors import DecompositionError

STRIDE = 4  # pixels of an image for one latent of a channel, in each direction
CHANNELS = 3
LEAST_LOG, MOST_LOG = -12.0, 4.0  # of a posterior variance; keeps the start of training finite
FLOOR = 1e-6  # of a normalization's denominator


@dataclass(frozen=True, slots=True)
class VaeSizes:
    """How large a network is.

    Parameters
    ----------
    features : channels of the hidden maps
    latents : C, channels of latents
    noise : variance of the likelihood, in squared units of pixels 0..1

    Raises
    ------
    DecompositionError
        If a number is not above 0.
    """

    features: int = 64
    latents: int = 48
    noise: float = 1e-3

    def __post_init__(self) -> None:
        for field in ("features", "latents", "noise"):
            if not 0 < getattr(self, field) < math.inf:
                raise DecompositionError(f"vae: {field} is {getattr(self, field)}, wanted above 0")


class Normalization(nn.Module):
    """Generalized divisive normalization: x_i / sqrt(b_i + sum_j g_ij x_j^2), or times that root.

    Source: Ballé, Laparra, Simoncelli, "Density Modeling of Images Using a Generalized
    Normalization Transformation" (ICLR 2016).  Parameters are square roots of b and g, so that
    these stay positive.
    """

    def __init__(self, channels: int, *, inverse: bool) -> None:
        super().__init__()
        self.inverse = inverse
        self.own = nn.Parameter(torch.ones(channels))
        self.mutual = nn.Parameter(math.sqrt(0.1) * torch.eye(channels))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, H, W) normalized."""
        weights = self.mutual.square()[:, :, None, None]
        power = functional.conv2d(maps.square(), weights, self.own.square() + FLOOR)
        return maps * (power.sqrt() if self.inverse else power.rsqrt())


class Vae(nn.Module):
    """The network; its weights are drawn from ``seed``.

    Examples
    --------
    >>> vae = Vae(VaeSizes(features=8, latents=5), seed=0)
    >>> means, deviations = vae.encode(torch.zeros(2, 3, 16, 24))
    >>> means.shape, vae.decode(means).shape
    (torch.Size([2, 5, 4, 6]), torch.Size([2, 3, 16, 24]))
    """

    def __init__(self, sizes: VaeSizes, seed: int) -> None:
        super().__init__()
        self.sizes = sizes
        wide = sizes.features
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(
                nn.Conv2d(CHANNELS, wide, 5, stride=2, padding=2),
                Normalization(wide, inverse=False),
                nn.Conv2d(wide, 2 * sizes.latents, 5, stride=2, padding=2),
            )
            self.decoder = nn.Sequential(
                nn.ConvTranspose2d(sizes.latents, wide, 6, stride=2, padding=2),
                Normalization(wide, inverse=True),
                nn.ConvTranspose2d(wide, CHANNELS, 6, stride=2, padding=2),
            )

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Posterior means and standard deviations (N, C, H/4, W/4) of images (N, 3, H, W), 0..1."""
        means, logs = self.encoder(images - 0.5).chunk(2, dim=1)
        return means, torch.exp(0.5 * logs.clamp(LEAST_LOG, MOST_LOG))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Images (N, 3, 4H, 4W) of latents (N, C, H, W); their range is 0..1 but for errors."""
        found: torch.Tensor = self.decoder(latents) + 0.5
        return found

    def loss(self, images: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """The negative evidence lower bound, nats per image, up to a constant.

        Parameters
        ----------
        images : float32, shape (N, 3, H, W), 0..1
        noise : standard normal, shape (N, C, H/4, W/4)
        """
        means, deviations = self.encode(images)
        misfit = (self.decode(means + deviations * noise) - images).square()
        divergence = 0.5 * (means.square() + deviations.square() - 1) - deviations.log()
        total = misfit.sum() / (2 * self.sizes.noise) + divergence.sum()
        return total / len(images)
