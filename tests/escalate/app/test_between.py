"""Rows of a network with gates, functions, a softmax inside and unequal steps, on every machine."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from arch.machine import MACHINES
from arch.operators import ON_HOST
from escalate.app.compress import compress
from escalate.app.data import Data
from escalate.app.demo import one_thread
from escalate.app.feed import Feed
from escalate.app.machines import choose, choose_all
from escalate.app.publish import publish
from escalate.app.results import read_runs
from escalate.app.simulate import Request
from escalate.app.sources import resolve
from escalate.app.verify import verify
from escalate.store.model_file import load
from reports.table import layer_frame, layer_rows, totals


class Gated(nn.Module):
    """SiLU, a gate, unequal strides and dilations, windows that overlap, a softmax inside."""

    def __init__(self):
        super().__init__()
        self.rows = nn.Conv2d(1, 6, (5, 1), (1, 2), (2, 0))
        self.columns = nn.Conv2d(6, 6, (2, 3), (2, 1), (0, 2), dilation=(1, 2))
        self.gate = nn.Conv2d(6, 6, 1)
        self.last = nn.Linear(6 * 9, 10)

    def forward(self, images):
        hidden = functional.silu(self.rows(images))
        hidden = functional.silu(self.columns(hidden))
        hidden = hidden * torch.sigmoid(self.gate(hidden.mean((2, 3), keepdim=True)))
        hidden = functional.adaptive_avg_pool2d(torch.softmax(hidden, 1), 3)
        return self.last(torch.flatten(hidden, 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("gated") / "model"
    torch.manual_seed(0)
    with one_thread():
        return compress(Gated(), data=Data("digits", limit=64), out=path, epochs=1, basis=3)


@pytest.fixture(scope="module")
def runs(folder):
    request = Request(resolve([str(folder.folder)]), choose_all([*MACHINES]), Feed(count=2))
    return [simulation.run for simulation in request.run()]


def test_unequal_steps_survive_the_model_file(folder):
    graph = load(folder.folder).graph
    rows, columns = graph["rows"].layer, graph["columns"].layer
    assert (rows.stride, rows.dilation, rows.P, rows.Q) == ((1, 2), 1, 8, 4)
    assert (columns.stride, columns.dilation, columns.P, columns.Q) == ((2, 1), (1, 2), 4, 4)


def test_rows_are_the_layers_and_the_host(runs):
    names = ["rows", "columns", "gate", "softmax", "last"]
    for run in runs:
        rows = layer_rows(run)
        assert [row["layer"] for row in rows] == names
        host = rows[3]
        assert (host["mode"], host["cycles"], host["macs"]) == (ON_HOST, 0, 0)
        assert host["host_operations"] == 2 * 16 * (5 * 6 - 2)
        burst = run.spec.dram_burst_bytes
        assert host["dram_bytes"] == 2 * (-(-2 * 96 // burst) * burst)
        assert host["energy_j"] == host["energy_dram_j"] > 0
        assert ON_HOST in host["notes"]
        assert all(row["cycles"] > 0 for row in rows if row is not host)


def test_operators_stand_in_the_row_of_the_layer_in_front(runs):
    for run in runs:
        rows = {row["layer"]: row for row in layer_rows(run)}
        # two images: planes of 6 x 8 x 4, then 6 x 4 x 4, then six gates, then 6 x 3 x 3
        assert rows["rows"]["operator_lookups"] == 2 * 192
        assert rows["columns"]["operator_lookups"] == 2 * 96
        assert rows["columns"]["operator_additions"] == 2 * 6 * 15
        gate = rows["gate"]
        assert (gate["operator_lookups"], gate["operator_multiplications"]) == (12, 192)
        # 4 rows and columns cut in 3: windows of 2 by 2, which overlap
        assert gate["operator_additions"] == 2 * 6 * (36 - 9)
        assert gate["energy_operators_j"] > 0
        assert "operator_lookups" not in rows["last"]
        whole = totals(run)
        assert whole["layers"] == 4
        assert whole["operator_lookups"] == 2 * (192 + 96 + 6)
        parts = [v for k, v in whole.items() if k.startswith("energy_for_")]
        assert sum(parts) == pytest.approx(whole["energy_j"])


def test_energy_and_bytes_between_layers_do_not_depend_on_the_machine(runs):
    found = set()
    for run in runs:
        whole = totals(run)
        found.add(
            tuple(v for k, v in sorted(whole.items()) if k.startswith(("operator_", "host_")))
        )
    assert len(found) == 1


def test_silu_makes_no_zeros_and_the_rows_say_so(runs):
    for run in runs:
        rows = {row["layer"]: row for row in layer_rows(run)}
        assert rows["rows"]["activation_type"] in ("int8", "uint8")
        assert rows["columns"]["activation_type"] == "int8"
        assert 0 < rows["columns"]["activation_density"] <= 1
        assert "activation_density" not in rows["softmax"]
    densities = {tuple(row.get("activation_density", 0) for row in layer_rows(run)) for run in runs}
    assert len(densities) <= 2  # of the compressed model, and of its 8-bit weights


def test_results_read_back_with_hosts_and_unequal_steps(runs, tmp_path):
    publish(tmp_path / "out", runs, title="gated", baseline="systolic")
    again = read_runs(tmp_path / "out")
    pd.testing.assert_frame_equal(layer_frame(again), layer_frame(runs))
    assert again[0].results[0].layer == runs[0].results[0].layer
    assert [totals(run) for run in again] == [totals(run) for run in runs]
    assert "softmax" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize("machine", ["basis_first", "scnn"])
def test_every_logit_is_proved(folder, machine):
    found = verify(folder, choose(machine)[0], Feed(None, 3))
    assert (found.layers, found.logits) == (4, 30)


def test_counts_are_of_all_images(folder):
    request = Request(resolve([str(folder.folder)]), choose("systolic"), Feed(count=5))
    (five,) = request.run()
    rows = layer_rows(five.run)
    assert np.isclose(rows[0]["operator_lookups"], 5 * 192)
