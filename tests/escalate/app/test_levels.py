"""A folder of levels on crossbars: stored, simulated, its tiles counted, its currents summed."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from arch.crossbar.conductance import analog_psums, psum_error
from arch.crossbar.layout import matrices
from arch.crossbar.spec import PRESETS, CrossbarSpec
from arch.machine import MACHINES
from arch.spec import override
from escalate.app.compress import compress
from escalate.app.data import Data
from escalate.app.demo import one_thread
from escalate.app.feed import Feed
from escalate.app.footprint import size_table
from escalate.app.images import read_images
from escalate.app.machines import choose
from escalate.app.simulate import run_source
from escalate.app.sources import resolve
from escalate.app.verify import verify
from escalate.store import model_file
from tests.escalate.app.tiny import tiny
from workloads.convolve import convolve
from workloads.execute import execute, quantize_images

TILE = (8, 4)
LAYERS = ("second", "point", "last")  # the first and the depthwise one are kept
SMALL = override(
    PRESETS["iso"], {"crossbar_rows": TILE[0], "crossbar_columns": TILE[1], "rows_at_once": 8}
)


def mapped_folder(folder, **options):
    fields = {"method": "admm", "density": 0.4, "epochs": 2, "tile": TILE, "remove": False}
    with one_thread():
        return compress(tiny(), data=Data("digits", limit=64), out=folder, **fields | options)


@pytest.fixture(scope="module")
def columns(tmp_path_factory):
    """A folder of columns; tests only read it."""
    return mapped_folder(tmp_path_factory.mktemp("columns") / "tiny")


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """A folder of tiles; tests only read it."""
    return mapped_folder(tmp_path_factory.mktemp("tiles") / "tiny", structure="tiles")


def crossbars(made, spec):
    """Crossbars of each layer, as simulated."""
    choice = replace(choose("crossbar")[0], spec=spec)
    run = run_source(resolve([str(made.folder)]), choice, Feed("digits"))
    return {result.layer.name: result.extras["crossbars"] for result in run.run.results}


def plain_tiles(matrix, spec, compact):
    """Tiles that hold a weight, one by one."""
    if compact:
        matrix = matrix[[row for row in range(len(matrix)) if matrix[row].any()]]
        matrix = matrix[:, [column for column in range(matrix.shape[1]) if matrix[:, column].any()]]
    starts = (
        range(0, size, step)
        for size, step in zip(
            matrix.shape, (spec.crossbar_rows, spec.crossbar_columns), strict=True
        )
    )
    return sum(
        bool(matrix[i : i + spec.crossbar_rows, j : j + spec.crossbar_columns].any())
        for i, j in product(*starts)
    )


@pytest.mark.parametrize("skip", ["structured", "tiles", "none"])
@pytest.mark.parametrize("kind", ["columns", "tiles"])
def test_crossbars_are_the_tiles_that_hold_anything(request, kind, skip):
    made, spec = request.getfixturevalue(kind), override(SMALL, {"skip": skip})
    model, found = model_file.load(made.folder), crossbars(made, spec)
    for node in model.graph.convs:
        parts = matrices(node.layer, model.convs[node.name].weights.weights)
        if skip == "none":
            parts = np.ones_like(parts)
        tiles = sum(plain_tiles(part, spec, skip == "structured") for part in parts)
        assert found[node.name] == 4 * tiles, node.name  # two slices, two signs


def test_tiles_that_went_take_no_crossbar(tiles):
    """As many as stayed, exactly: the tiles that were trained are those of the machine."""
    model, found = (
        model_file.load(tiles.folder),
        crossbars(tiles, override(SMALL, {"skip": "tiles"})),
    )
    for name in LAYERS:
        layer = model.graph[name].layer
        taps = layer.weight_shape[1] * layer.R * layer.S
        tiles_before = -(-taps // TILE[0]) * -(-layer.K // TILE[1])
        assert found[name] == 4 * round(0.4 * tiles_before)


def test_columns_that_went_shrink_the_crossbars(columns):
    model, found = model_file.load(columns.folder), crossbars(columns, SMALL)
    for name in LAYERS:
        layer = model.graph[name].layer
        left = round(0.4 * layer.weight_shape[1] * layer.R * layer.S)
        assert found[name] == 4 * -(-left // TILE[0]) * -(-layer.K // TILE[1])


@pytest.mark.parametrize("name", MACHINES)
def test_every_machines_logits_are_torchs(columns, name):
    proof = verify(columns.folder, choose(name)[0], Feed("digits", 2))
    assert (proof.images, proof.logits) == (2, 20)


def test_currents_through_conductances_are_the_layers_psums(columns):
    """Of the 1x1 layer on what digits really make of its inputs."""
    model, spec = model_file.load(columns.folder), CrossbarSpec()
    digits = read_images("digits", 1, (8, 8), count=2).pixels
    values = execute(model, quantize_images(model.image, digits), convolve)
    inputs = np.moveaxis(values["depthwise"], 1, -1).reshape(-1, 6)
    (weights,) = matrices(model.graph["point"].layer, model.convs["point"].weights.weights)
    assert inputs.any()
    exact = inputs.astype(int) @ weights.astype(int)
    np.testing.assert_array_equal(analog_psums(inputs, weights, spec), exact)

    def error(sigma, seed=3):
        return psum_error(inputs, weights, spec, sigma, np.random.default_rng(seed))

    assert error(0.0) == 0.0
    assert 0 < error(0.02) < error(0.1) < 1
    assert error(0.1) == error(0.1) != error(0.1, seed=4)


def test_bytes_are_counted_and_the_story_is_told(columns):
    files = [columns.folder / name for name in (model_file.TENSORS, model_file.MANIFEST)]
    assert sum(path.stat().st_size for path in files) == columns.bytes < columns.int8_bytes
    counted = {row["counted"]: row for row in size_table(model_file.load(columns.folder))}
    assert counted["on disk"]["stored_bytes"] == columns.bytes
    about = model_file.load_provenance(columns.folder)
    assert about["method"] == columns.method == "admm"


class KilledError(RuntimeError):
    pass


def test_a_killed_run_is_continued(columns, tmp_path):
    def kill(report):
        raise KilledError

    with pytest.raises(KilledError):
        mapped_folder(tmp_path / "tiny", progress=kill)
    epochs = []
    mapped_folder(tmp_path / "tiny", resume=True, progress=lambda r: epochs.append(r.epoch))
    assert epochs == [2]
    for name in (model_file.TENSORS, model_file.MANIFEST):
        assert (tmp_path / "tiny" / name).read_bytes() == (columns.folder / name).read_bytes()
