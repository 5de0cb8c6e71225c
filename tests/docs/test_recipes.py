"""Does a recipe do what its first lines say, from training to the proof?"""

import runpy
from pathlib import Path

import pytest

import escalate
from escalate.app.data import Data
from escalate.app.feed import Feed
from escalate.app.machines import choose
from escalate.app.verify import verify

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"


@pytest.mark.nightly
def test_mobile_blocks_are_trained_compressed_and_proved(tmp_path):
    path = RECIPES / "mobilenet_v3_digits.py"
    recipe = runpy.run_path(str(path))
    checkpoint = tmp_path / "trained.safetensors"
    recipe["main"](str(checkpoint))
    made = escalate.compress(
        f"{path}:build",
        checkpoint=checkpoint,
        data=Data("digits"),
        out=tmp_path / "compressed",
        basis=4,
        density=0.3,
    )
    assert made.compressed.accuracy > 0.95
    assert sum(made.forms.values()) == 14
    proof = verify(made.folder, choose("basis_first")[0], Feed("digits", 32))
    assert (proof.logits, proof.layers) == (320, 14)
