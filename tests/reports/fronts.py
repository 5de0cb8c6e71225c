"""Hand-made rows of a comparison of methods, and the page of them."""

import pandas as pd

from reports.columns import FRONT, QUALITY
from reports.front_figures import front_panels
from reports.front_page import front_page
from reports.table import totals
from tests.reports.runs import run

PARAMETERS_BYTES = 1_000_000
CURVE = tuple((10.0 ** (6 - step / 4), 10.0 ** (step / 4 - 5)) for step in range(20))
RUNS = (run(machine="fast"), run((("conv1", 200, 20), ("conv2", 300, 4)), machine="slow"))


def row(method, ratio, size, accuracy, **more):
    """One row; without a size, one that has no model."""
    found = dict.fromkeys(
        (*FRONT, *QUALITY, "machine", "preset", "cycles", "latency_s", "energy_j")
    )
    found |= {"method": method, "ratio": ratio, "edp_j_s": None, "dram_bytes": None}
    if size is None:
        return found | {"problem": f"budget: {method} makes too much"} | more
    found |= dict.fromkeys(("stored_bytes", "payload_bytes", "ideal_bytes"), size)
    costs = totals(RUNS[0])
    names = ("cycles", "latency_s", "energy_j", "edp_j_s", "dram_bytes")
    return {
        **found,
        "compression_ratio": PARAMETERS_BYTES / size,
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.01,
        "accuracy_high": accuracy + 0.01,
        "accuracy_original": 0.95,
        "agreement": 0.9,
        "divergence": 1e-6 * size,
        "machine": "fast",
        "preset": "iso",
        **{name: costs[name] for name in names},
        "hardware_bytes": 2 * size,
        "on_front": size < 50_000,
    } | more


def rows(evil="prune"):
    """The plain network, three methods at two sizes, one size that a method does not come to."""
    return [
        row("int8", None, 250_000, 0.94),
        row("escalate", 10.0, 90_000, 0.93),
        row("escalate", 40.0, 24_000, 0.9),
        row(evil, 10.0, 99_000, 0.92),
        row(evil, 40.0, 25_000, 0.8),
        row("rate_distortion", 10.0, 98_000, 0.91),
        row("rate_distortion", 40.0, None, None),
    ]


def machine_frame(some):
    """Every model of the rows on both machines."""
    found = []
    for each in some:
        if each["stored_bytes"] is None:
            continue
        name = each["method"] + ("" if each["ratio"] is None else f"-{each['ratio']:g}")
        about = {"model": name, "method": each["method"], "ratio": each["ratio"]}
        for place, ran in enumerate(RUNS):
            named = {"machine": ran.machine, "preset": ran.preset, "fed": "pruned"}
            found.append(about | named | totals(ran) | {"best": place == 0, "problem": None})
    return pd.DataFrame(found)


def page(some, title="net", notes=()):
    """The page of some rows."""
    about = {"version": "0.1.0", "torch": "2", "images": 9}
    models = [
        {"model": f"m{place}", "method": each["method"], "options": "epochs = 3", **about}
        for place, each in enumerate(some)
    ]
    return front_page(
        some,
        machine_frame(some),
        title=title,
        facts={"network": title},
        panels=front_panels(some, CURVE, title),
        models=models,
        runs=RUNS,
        notes=notes,
    )
