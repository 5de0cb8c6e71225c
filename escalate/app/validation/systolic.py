"""The systolic array beside SCALE-Sim's and STONNE's own output."""

from collections.abc import Iterator, Mapping

from arch.systolic.model import MACHINE
from arch.systolic.spec import SystolicSpec
from escalate.app.validation.check import Band, Check
from reports.publication import rows
from workloads.layer import ConvLayer

EXACT = Band("exact")
SCRATCHPAD = 64 * 1024  # bytes, as SCALE-Sim was run


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


def _check(quantity: str, case: str, published: str, ours: int, source: str) -> Check:
    return Check("systolic", quantity, case, float(published), float(ours), EXACT, source)
