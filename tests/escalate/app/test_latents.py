"""Pictures at many rates: rows of real streams, what the network cannot give, files."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from escalate.app import jpeg
from escalate.app.latents import Posteriors, latents, pixels_of, psnr, write_latents
from escalate.app.results import ResultsError
from escalate.compressors.vae import VaeSizes
from escalate.compressors.vae_training import VaeOptions, trained_vae

SIZES = VaeSizes(features=8, latents=6, noise=1e-2)
QUICK = VaeOptions(epochs=2, patches=640, learning_rate=0.01)
LAMBDAS, QUALITIES = (2.0**10, 1.0, 2.0**-8), (10, 60)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("vae") / "vae.safetensors"


@pytest.fixture(scope="module")
def found(file):
    return latents(
        "photos",
        sizes=SIZES,
        options=QUICK,
        vae=file,
        count=1,
        threads=1,
        penalties=LAMBDAS,
        qualities=QUALITIES,
    )


def rows(found, code):
    return [row for row in found.rows if row.code == code]


def test_a_smaller_penalty_takes_more_bits_and_comes_nearer(found):
    ours = rows(found, "variable precision")
    assert [row.setting for row in ours] == list(LAMBDAS)
    sizes = [row.stored_bytes for row in ours]
    errors = [row.weighted_error for row in ours]
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert sizes[0] < sizes[-1]
    assert ours[-1].psnr_db == pytest.approx(found.limit_db, abs=0.1)
    for row in found.rows:
        assert row.bits_per_pixel == 8 * row.stored_bytes / (256 * 256)


def test_uniform_steps_have_no_more_bytes_and_cost_more(found):
    ours, uniform = rows(found, "variable precision"), rows(found, "uniform")
    for left, right in zip(ours[1:], uniform[1:], strict=True):
        assert 0.9 * left.stored_bytes < right.stored_bytes <= left.stored_bytes
    assert ours[1].weighted_error < uniform[1].weighted_error


def test_jpeg_is_pillows(found):
    for name in ("jpeg 4:2:0", "jpeg 4:4:4"):
        small, large = rows(found, name)
        assert small.psnr_db < large.psnr_db
        assert small.stored_bytes < large.stored_bytes
        assert 0 < small.scan_bits_per_pixel < small.bits_per_pixel
        assert small.weighted_error is None


def test_a_trained_network_is_taken_as_it_is(file, found, monkeypatch):
    monkeypatch.setattr("escalate.compressors.vae_training._epoch", None)
    again = latents(
        "photos",
        sizes=SIZES,
        options=QUICK,
        vae=file,
        count=1,
        threads=1,
        penalties=LAMBDAS[1:2],
        qualities=QUALITIES[:1],
    )
    assert rows(again, "variable precision")[0] == rows(found, "variable precision")[1]


def test_psnr_of_the_pictures_is_that_of_decoded_means(file):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (9, 3, 16, 16), dtype=np.uint8)
    network = trained_vae(
        np.zeros((1, 3, 32, 32), np.uint8), SIZES, VaeOptions(epochs=1, patches=32)
    )
    whole = Posteriors.of(network, pixels)
    assert whole.means.shape == (9, 6, 4, 4)
    assert whole.by_channel().means.shape == (6, 144)
    np.testing.assert_array_equal(whole.by_channel().means[2, 16:32], whole.means[1, 2].ravel())
    alone = Posteriors.of(network, pixels[8:])
    np.testing.assert_allclose(whole.means[8:], alone.means, atol=1e-6)
    assert pixels_of(network, whole.means).shape == pixels.shape


def test_psnr_by_hand():
    black = np.zeros((2, 3, 4, 4), np.uint8)
    other = black.copy()
    other[0], other[1] = 255, 51
    assert psnr(black, other) == pytest.approx((0 + 20 * np.log10(5)) / 2)
    assert psnr(black, black) == np.inf


def test_the_scan_of_a_jpeg_file():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 24), dtype=np.uint8)
    file = jpeg.encode(pixels, 5, 0)  # tables of large numbers, which look like marks
    with Image.open(io.BytesIO(file)) as opened:
        assert opened.size == (24, 40)
    scan = file[-jpeg.scan_bytes(file) :]
    assert scan[:2] == b"\xff\xda"
    assert len(file) - len(scan) > 150


def test_files(found, tmp_path):
    write_latents(found, tmp_path / "out")
    frame = pd.read_csv(tmp_path / "out" / "latents.csv")
    assert frame["stored_bytes"].tolist() == [row.stored_bytes for row in found.rows]
    assert list(frame["code"].unique()) == [
        "variable precision",
        "uniform",
        "jpeg 4:2:0",
        "jpeg 4:4:4",
    ]
    text = (tmp_path / "out" / "latents.svg").read_text()
    assert "bits per pixel" in text
    assert "variable precision 1" in text
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ResultsError, match=r"holds 'mine\.txt', which we did not write"):
        write_latents(found, tmp_path / "out")
