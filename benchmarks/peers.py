"""Other simulators on the same work, where they are installed; one JSON line each."""

import csv
import importlib.util
import io
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

from timing import report

PIXELS, TAPS, FILTERS = 256, 256, 128  # benchmarks/bench_gemm.py
CONFIG = """
[general]
run_name = escalate
[architecture_presets]
ArrayHeight: 32
ArrayWidth: 32
IfmapSramSzkB: 224
FilterSramSzkB: 288
OfmapSramSzkB: 64
IfmapOffset: 0
FilterOffset: 10000000
OfmapOffset: 20000000
Bandwidth: 32
Dataflow: os
MemoryBanks: 1
ReadRequestBuffer: 32
WriteRequestBuffer: 32
[layout]
IfmapCustomLayout: False
IfmapSRAMBankBandwidth: 10
IfmapSRAMBankNum: 10
IfmapSRAMBankPort: 2
FilterCustomLayout: False
FilterSRAMBankBandwidth: 10
FilterSRAMBankNum: 10
FilterSRAMBankPort: 2
[sparsity]
SparsitySupport: false
SparseRep: ellpack_block
OptimizedMapping: false
BlockSize: 8
RandomNumberGeneratorSeed: 40
[run_presets]
InterfaceBandwidth: CALC
UseRamulatorTrace: False
"""


def scalesim(topology: Path, folder: Path, name: str) -> None:
    """SCALE-Sim 3 without traces on a topology of matrix products; its cycles beside the time."""
    from scalesim.scale_sim import scalesim as Simulator

    names = [line.split(",")[0] for line in topology.read_text("utf-8").splitlines()[1:] if line]
    (folder / "scale.cfg").write_text(CONFIG, "utf-8")
    layout = "".join(",".join([layer, *["1"] * 19]) + ",\n" for layer in names)
    (folder / "layout.csv").write_text("header" + "," * 20 + "\n" + layout, "utf-8")
    start = time.perf_counter()
    with redirect_stdout(io.StringIO()):
        run = Simulator(
            save_disk_space=True,
            verbose=False,
            config=str(folder / "scale.cfg"),
            topology=str(topology),
            layout=str(folder / "layout.csv"),
            input_type_gemm=True,
        )
        run.run_scale(top_path=str(folder))
    seconds = time.perf_counter() - start
    table = next(folder.rglob("COMPUTE_REPORT.csv"))
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines(), skipinitialspace=True))
    report(name, seconds, cycles=sum(round(float(row["Total Cycles"])) for row in rows))


def main() -> None:
    """Run each peer there is, on a product and on every topology named; name the others."""
    if importlib.util.find_spec("scalesim") is None:
        print("scalesim: not installed; --peers PYTHON names one with scalesim and numpy<2.3")
        return
    with tempfile.TemporaryDirectory() as name:
        product = Path(name) / "gemm.csv"
        product.write_text(f"Layer,M,N,K,\ngemm,{PIXELS},{FILTERS},{TAPS},\n", "utf-8")
        for topology in (product, *map(Path, sys.argv[1:])):
            folder = Path(name) / f"run-{topology.stem}"
            folder.mkdir()
            scalesim(topology, folder, f"peer scalesim {topology.stem}")


if __name__ == "__main__":
    main()
