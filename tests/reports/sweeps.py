"""Hand-made sweeps: points and layers with axes, for tests of what is made of them."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pandas as pd

from reports.table import layer_frame, totals_frame
from tests.reports.runs import run

AXES = ("pe_blocks", "density", "packing")
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)><!--"


def sweep(
    names: Mapping[str, str] | None = None, origin: str = "captured"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Layers and points: two networks on two machines; ``b`` lacks the axis ``pe_blocks``.

    Parameters
    ----------
    names : other names for ``tiny``, ``a``, ``conv2`` or ``window``
    origin : where the tensors come from
    """
    called = dict(names or {})
    layers, points = [], []
    grid = [("a", blocks) for blocks in (4, 8, 16)] + [("b", None)]
    spans = product(("tiny", "large"), grid, (0.05, 0.5), ("window", "none"))
    for number, (network, (machine, blocks), density, packing) in enumerate(spans):
        busy = int(4000 * density) // (blocks or 1) * (3 if network == "large" else 1) + 10
        sizes = (("conv1", busy, 20), (called.get("conv2", "conv2"), 2 * busy, 4 * number))
        made = run(
            sizes, network=called.get(network, network), machine=called.get(machine, machine)
        )
        results = (replace(r, provenance={**r.provenance, "origin": origin}) for r in made.results)
        made = replace(made, results=tuple(results))
        own: dict[str, Any] = {
            "point": f"p{number:02d}",
            "axis_pe_blocks": blocks,
            "axis_density": density,
            "axis_packing": called.get(packing, packing),
        }
        for rows, frame in ((layers, layer_frame([made])), (points, totals_frame([made]))):
            rows.append(frame.assign(**own, energy_j=frame["energy_j"] * (1 + number % 5)))
    return pd.concat(layers, ignore_index=True), pd.concat(points, ignore_index=True)
