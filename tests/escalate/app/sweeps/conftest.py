"""A sweep that takes a second, and what its folder holds."""

import pytest

SMALL = """
networks = ["digits_cnn"]
machines = ["basis_first", "scnn"]
seed = 0

[synthetic]
coefficients = [0.1, 0.3]
activations = 0.5
weights = 0.4

[set.basis_first]
lookahead = [1, 4]
intermediate_fifo = [2, 4]
"""


@pytest.fixture
def small(tmp_path):
    """The file of a sweep of nine points."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def contents(folder):
    """Bytes of every point, by name."""
    return {path.name: path.read_bytes() for path in sorted((folder / "points").glob("[!.]*"))}
