"""escalate simulate: one source on one machine."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from escalate.cli import options, reading_options, terminal
from escalate.cli.options import Format

if TYPE_CHECKING:
    from escalate.app.simulate import Request, Simulation

COLUMNS = (
    "layer",
    "mode",
    "cycles",
    "memory_stall_fraction",
    "energy_j",
    "dram_bytes",
    "macs",
    "effectual_ops",
    "multiplier_utilization",
)
HEADINGS = {
    "memory_stall_fraction": "DRAM stalls",
    "macs": "MACs",
    "effectual_ops": "effectual",
    "multiplier_utilization": "multipl. used",
}


def simulate(
    source: options.Sources,
    input: reading_options.Input = None,
    output: reading_options.Output = None,
    machine: options.MachineName = "basis_first",
    preset: options.Presets = "",
    settings: options.Settings = None,
    images: options.ImageSource = None,
    classes: options.Classes = None,
    count: options.Count = 1,
    synthetic: options.SyntheticText = None,
    basis: options.Basis = None,
    seed: options.Seed = None,
    threads: options.Threads = None,
    energy_table: options.EnergyTable = None,
    dry_run: options.DryRun = False,
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
    out: options.Page = None,
) -> None:
    """Simulate a network, or layers of your own, on one machine.

    A compressed model classifies real images with the psums that the machine computes.
    Own tensors give one layer per .npz file; shapes run on machines that skip nothing.

    Examples:

      escalate simulate demo/model --images digits --count 10

      escalate simulate demo/model --set lookahead=2 --set packing=ideal --format json

      escalate simulate conv1.npz conv2.npz --machine my.toml --out results/mine

      escalate simulate mine.onnx --input 3x224x320 --images my-images --count 10

      escalate simulate topology.csv --machine systolic --preset iso,tiny

      escalate simulate demo/model --set energy=accelergy_aladdin --energy-table prices.toml

      escalate simulate resnet18 --synthetic coefficients=0.1,activations=0.45 --seed 1
    """
    from escalate.app.machines import choose
    from escalate.app.prices import priced
    from escalate.app.simulate import Request

    feed = options.feed(images, count, synthetic, basis, seed, classes)
    request = Request(
        reading_options.source(source, input, output, images),
        priced(choose(machine, options.words(preset), settings or ()), energy_table),
        feed,
        threads,
    )
    if dry_run:
        from escalate.app.estimate import estimate, jobs_of

        jobs = jobs_of(request.source, request.choices, feed)
        terminal.print_estimate(estimate(jobs).told(), shape)
        return
    _print(_run(request) if out is None else _published(request, out, source), shape)


def _run(request: "Request") -> "list[Simulation]":
    with terminal.layer_progress() as watch:
        return request.run(watch)


def _published(request: "Request", out: Path, source: list[str]) -> "list[Simulation]":
    """Run, and write the page; a folder that is not ours is refused before."""
    from escalate.app.publish import check_target, publish

    check_target(out)
    found = _run(request)
    runs, facts = [each.run for each in found], {"source": ", ".join(source)}
    publish(out, runs, title=request.source.name, facts=facts)
    terminal.say(f"wrote {out}")
    return found


def _print(found: "list[Simulation]", shape: Format) -> None:
    runs = [simulation.run for simulation in found]
    if shape is Format.json:
        from escalate.app.results import dumps, run_object

        objects = [run_object(simulation.run, simulation.seconds) for simulation in found]
        typer.echo(dumps(objects[0] if len(objects) == 1 else {"runs": objects}))
    elif shape is Format.csv:
        from reports.table import layer_frame

        typer.echo(layer_frame(runs).to_csv(index=False), nl=False)
    else:
        for simulation in found:
            _print_run(simulation)


def _print_run(simulation: "Simulation") -> None:
    from reports.table import layer_rows, run_notes, totals

    run = simulation.run
    typer.echo(f"{run.network} on {run.machine} ({run.preset})")
    rows = [*layer_rows(run), {**totals(run), "layer": "all layers", "mode": ""}]
    terminal.print_table(rows, COLUMNS, HEADINGS)
    if simulation.told:
        typer.echo(simulation.told)
    terminal.print_notes(run_notes(run))
