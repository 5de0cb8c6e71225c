"""demo: the whole job on the real digits that scikit-learn carries, from training to a page."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from arch.simulate import NetworkRun
from escalate.app.compress import compress
from escalate.app.compressed import Compressed
from escalate.app.data import Data
from escalate.app.demo_network import EPOCHS, demo_network, train
from escalate.app.feed import Feed
from escalate.app.fleet import Watch
from escalate.app.images import DEFAULT, DIGITS, read_images
from escalate.app.machines import choose
from escalate.app.publish import NAMES, write_results
from escalate.app.results import NewFolder
from escalate.app.simulate import Simulation
from escalate.app.sources import COMPRESSED, ModelSource
from escalate.app.verify import proved
from escalate.train.retrain import EpochReport
from reports.ratios import ratios
from reports.table import labels, totals

NETWORK = "digits_cnn"
CHECKPOINT, MODEL = "network.safetensors", "model"
IMAGES = 10
TRAINING_EPOCHS, RETRAINING_EPOCHS = EPOCHS, 8
SEED = 0
# Buffers so small that layers are cut into many steps and wait for the DRAM.
TINY = ("input_glb_bytes=2048", "output_glb_bytes=2048", "psum_buffer_bytes=128")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much work the demo does.

    Parameters
    ----------
    images : test images that the machines classify
    training_epochs, retraining_epochs : of the network, and of the compressed network
    training_images : None for all
    """

    images: int = IMAGES
    training_epochs: int = TRAINING_EPOCHS
    retraining_epochs: int = RETRAINING_EPOCHS
    training_images: int | None = None


@dataclass(frozen=True, slots=True)
class Demo:
    """What was made: the rows of the one table, the runs, the model, and the fields of ``tiny``."""

    rows: list[dict[str, Any]]
    runs: tuple[NetworkRun, ...]
    model: Compressed
    images: int
    tiny: tuple[str, ...] = TINY


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: a network this small gains nothing from more, and weights that are
    trained depend on the number.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def demo(out: str | Path, *, sizes: Sizes | None = None, watch: Watch | None = None) -> Demo:
    """Train, compress, retrain and simulate a small network; leave ``out``/report.html.

    The logits that follow from the machines' psums, layer by layer, must be those of the integer
    network in torch, bit for bit.

    Parameters
    ----------
    out : the folder; one of ours is replaced, anything else is left alone
    sizes : how much work to do
    watch : called with what is being done, steps done, and steps in all

    Raises
    ------
    ResultsError
        If ``out`` holds something that we did not write.
    InvariantError
        If a machine's logits are not those of the integer network.
    """
    wanted = sizes or Sizes()
    tell = watch or (lambda what, done, total: None)
    with NewFolder(Path(out), (*NAMES, CHECKPOINT, MODEL)) as folder:
        with one_thread():
            _train(folder / CHECKPOINT, wanted, tell)
            made = _compress(folder, wanted, tell)
        source = ModelSource(NETWORK, folder / MODEL)
        choices = (*choose("systolic", ("iso",)), *choose("basis_first"))
        tiny = choose("basis_first", settings=TINY)
        feed = Feed(DEFAULT, wanted.images)
        found = [proved(source, each, feed, tell) for each in (*choices, *tiny)]
        runs = tuple(simulation.run for simulation in found)
        rows = _rows(made, found)
        write_results(
            folder,
            runs,
            title="escalate demo",
            summary=[
                {key: row[key] for key in ("accuracy", "compression_ratio")} for row in rows[1:]
            ],
            baseline=labels(runs)[0],
            facts=_facts(made, wanted),
        )
    return Demo(rows, runs, made, wanted.images)


def _train(path: Path, sizes: Sizes, tell: Watch) -> None:
    """Train the network from scratch and store its weights."""
    settings = Data(DEFAULT).settings()
    images = read_images(DIGITS, 1, settings.size, split="train")
    part = slice(sizes.training_images)
    pixels = images.pixels[part].astype(np.float64) * settings.pixel_scale
    network = demo_network(SEED)
    train(
        network,
        torch.tensor(pixels, dtype=torch.float32),
        torch.tensor(images.known_labels()[part]),
        sizes.training_epochs,
        SEED,
        lambda epoch, loss: tell("training", epoch, sizes.training_epochs),
    )
    save_file(network.state_dict(), path)


def _compress(folder: Path, sizes: Sizes, tell: Watch) -> Compressed:
    def progress(report: EpochReport) -> None:
        tell("retraining", report.epoch, report.epochs)

    return compress(
        NETWORK,
        checkpoint=folder / CHECKPOINT,
        data=Data(DEFAULT, limit=sizes.training_images),
        out=folder / MODEL,
        progress=progress,
        epochs=sizes.retraining_epochs,
        seed=SEED,
    )


def _rows(made: Compressed, found: Sequence[Simulation]) -> list[dict[str, Any]]:
    """The original network, and one row per run: accuracy, size, time and energy of one thing."""
    base = found[0].run
    rows: list[dict[str, Any]] = [
        {
            "form": "FP32",
            "machine": "(torch)",
            "accuracy": made.original.accuracy,
            "compression_ratio": 1.0,
        }
    ]
    for simulation in found:
        run = simulation.run
        small = run.provenance["tensors"] == COMPRESSED
        rows.append(
            {
                **totals(run),
                **ratios(run, base),
                "form": "compressed" if small else "8 bit",
                "machine": run.machine,
                "accuracy": (made.compressed if small else made.int8).accuracy,
                "compression_ratio": made.compression_ratio if small else made.int8_ratio,
            }
        )
    rows[-1]["machine"] += " tiny"
    return rows


def _facts(made: Compressed, sizes: Sizes) -> dict[str, str]:
    return {
        "network": f"{NETWORK}, {made.parameters} parameters",
        "images": f"{sizes.images} test images of handwritten digits (scikit-learn), one batch",
        "accuracy": f"on {made.images} test images that were never trained on",
        "checked": "logits from the machines' psums equal the integer network's, bit for bit",
    }
