"""The systolic array beside SCALE-Sim's and STONNE's own output, and beside Gemmini's RTL."""

from collections.abc import Iterator, Mapping

from arch.systolic.model import MACHINE
from arch.systolic.spec import SystolicSpec
from escalate.app.validation.check import Band, Check
from reports.publication import rows
from workloads.layer import ConvLayer

EXACT = Band("exact")
SCRATCHPAD = 64 * 1024  # bytes, as SCALE-Sim was run
GEMMINI = "Gemmini's RTL, quoted by NPUsim"
GEMMINI_SHARE = 0.15
WINDOW = "their window includes host, set-up and the fetching of operands, ours the array alone"


def _product(row: Mapping[str, str]) -> ConvLayer:
    """A matrix product as a layer of M pixels."""
    return ConvLayer("gemm", C=int(row["K"]), K=int(row["N"]), H=int(row["M"]), W=1)


def _size(row: Mapping[str, str]) -> str:
    return "x".join(row[axis] for axis in "MNK")


def checks() -> Iterator[Check]:
    """Cycles and scratchpad words of matrix products.

    Examples
    --------
    >>> {check.verdict for check in checks()}
    {'inside'}
    """
    for row in rows("scalesim_gemm.csv"):
        array = {"rows": int(row["array_h"]), "columns": int(row["array_w"])}
        scratchpads = dict.fromkeys(("ifmap_bytes", "filter_bytes", "ofmap_bytes"), SCRATCHPAD)
        spec = SystolicSpec.model_validate({**array, **scratchpads, "dataflow": row["dataflow"]})
        result = MACHINE.run_shape(_product(row), spec).result
        case = f"{row['dataflow']} {row['array_h']}x{row['array_w']} {_size(row)}"
        cycles = result.counters.compute_cycles
        yield _check("total cycles", case, row["total_cycles"], cycles, "SCALE-Sim 3.0.0")
        for column in ("sram_ifmap_reads", "sram_filter_reads"):
            quantity = column.replace("_", " ").replace("sram", "SRAM") + ", words"
            yield _check(quantity, case, row[column], result.extras[column], "SCALE-Sim 3.0.0")
    for row in rows("stonne_tpu_os.csv"):
        side = int(row["array"])
        spec = SystolicSpec(rows=side, columns=side, fold_overhead="stonne")
        cycles = MACHINE.run_shape(_product(row), spec).result.counters.compute_cycles
        case = f"{side}x{side} {_size(row)}"
        yield _check("cycles", case, row["cycles"], cycles, "STONNE 22634b8, TPU_OS_DENSE")
    yield from _gemmini()


def _gemmini() -> Iterator[Check]:
    """Cycles with preloaded weights; a lower bound where the array does not dominate."""
    for row in rows("gemmini_rtl.csv"):
        spec = SystolicSpec(
            rows=int(row["rows"]),
            columns=int(row["columns"]),
            dataflow="ws",
            fold_overhead="preloaded",
        )
        ours = MACHINE.run_shape(_product(row), spec).result.counters.compute_cycles
        macs_per_pe = int(row["M"]) * int(row["N"]) * int(row["K"]) // spec.units
        lower = row["band"] == "lower"
        yield Check(
            "systolic",
            "cycles, preloaded weights" + (", lower bound" if lower else ""),
            f"{row['rows']}x{row['columns']} {_size(row)}",
            float(row["cycles"]),
            float(ours),
            Band("between", low=macs_per_pe) if lower else Band("share", GEMMINI_SHARE),
            GEMMINI,
            WINDOW,
        )


def _check(quantity: str, case: str, published: str, ours: int, source: str) -> Check:
    return Check("systolic", quantity, case, float(published), float(ours), EXACT, source)
