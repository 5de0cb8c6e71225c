"""escalate compare: the same network on several machines."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from escalate.cli import options, reading_options, terminal
from escalate.cli.options import Format

if TYPE_CHECKING:
    from arch.simulate import NetworkRun
    from escalate.app.compare import Comparison

COLUMNS = (
    "run",
    "cycles",
    "energy_j",
    "dram_bytes",
    "speedup",
    "speedup_per_mm2",
    "energy_efficiency",
    "multipliers",
    "adders",
    "sram_bytes",
    "area_mm2",
)
MADE_OF = ("adders", "sram_bytes")  # give room to what models lost
MEANS = ("machine", "preset", "speedup", "speedup_per_mm2", "energy_efficiency")
HEADINGS = {
    "run": "machine",
    "accuracy": "accu-\nracy",
    "agreement": "agree-\nment",
    "dram_bytes": "DRAM",
    "speedup_per_mm2": "per\nmm²",
    "energy_efficiency": "energy\neffic.",
    "multipliers": "multi-\npliers",
}

Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="A",
        help="What speedup and energy efficiency refer to; the first machine by default.",
        show_default=False,
    ),
]


def compare(
    source: options.Sources,
    input: reading_options.Input = None,
    output: reading_options.Output = None,
    machines: options.Machines = "basis_first,systolic",
    baseline: Baseline = None,
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
    """Run networks on several machines and put them side by side.

    With several networks, geometric means of the ratios are printed below.
    Each machine is fed the form of the network made for it: the compressed model, or the plain
    8-bit one that lies beside it. With a second folder of the same network, written by compress
    with another --method, machines without a basis are fed that. The notes below the table say
    which.

    Examples:

      escalate compare demo/model --machines basis_first,systolic --baseline systolic --count 10

      escalate compare mine mine-pruned --machines basis_first,systolic --baseline systolic

      escalate compare demo/model --machines systolic:iso,systolic:tiny,my.toml

      escalate compare resnet18 --synthetic coefficients=0.1,activations=0.45 --format json

      escalate compare resnet18 vgg16 mobilenet_v2 --machines systolic,systolic:scalesim
    """
    from escalate.app.compare import Comparison, baseline_label, several
    from escalate.app.machines import baseline_index, choose_all
    from escalate.app.prices import priced
    from escalate.capture.reading import reading_of

    chosen = choose_all(options.words(machines), options.words(preset), settings or ())
    choices = priced(chosen, energy_table)
    base = baseline_index(choices, baseline)
    feed = options.feed(images, count, synthetic, basis, seed, classes)
    sources = several(source, reading_of(input, output), images)
    comparison = Comparison(sources, choices, feed, threads)
    if dry_run:
        _estimate(comparison, shape)
        return
    runs = _run(comparison) if out is None else _published(comparison, base, out, source)
    if shape is Format.table:
        _print(runs, baseline_label(runs, base))
    else:
        _print_data(runs, base, shape)


def _estimate(comparison: "Comparison", shape: Format) -> None:
    from escalate.app.estimate import estimate, jobs_of

    choices, feed = comparison.choices, comparison.feed
    jobs = [job for each in comparison.sources for job in jobs_of(each, choices, feed)]
    terminal.print_estimate(estimate(jobs).told(), shape)


def _run(comparison: "Comparison") -> "list[NetworkRun]":
    with terminal.layer_progress() as watch:
        return comparison.run(watch)


def _published(
    comparison: "Comparison", base: int, out: Path, source: list[str]
) -> "list[NetworkRun]":
    """Run, and write the page; a folder that is not ours is refused before."""
    from escalate.app.compare import baseline_label
    from escalate.app.publish import check_target, publish

    check_target(out)
    runs = _run(comparison)
    title, facts = ", ".join(each.name for each in comparison.sources), ", ".join(source)
    publish(out, runs, title=title, baseline=baseline_label(runs, base), facts={"source": facts})
    terminal.say(f"wrote {out}")
    return runs


def _print_data(runs: "list[NetworkRun]", base: int, shape: Format) -> None:
    from escalate.app.compare import compare_frame, compare_object
    from escalate.app.results import dumps

    if shape is Format.json:
        typer.echo(dumps(compare_object(runs, base)))
    else:
        typer.echo(compare_frame(runs, base).to_csv(index=False), nl=False)


def _print(runs: "list[NetworkRun]", label: str) -> None:
    from reports.ratios import compare_rows, differences, mean_rows

    rows = compare_rows(runs, label)
    networks = _print_tables(runs, rows)
    if len(networks) > 1:
        typer.echo("geometric means over the networks")
        terminal.print_table(mean_rows(rows), MEANS, HEADINGS)
    typer.echo(f"baseline: {label}")
    _print_quality(runs)
    terminal.print_notes(differences([run for run in runs if run.network == networks[0]]))
    terminal.print_notes(_told(runs))


def _print_tables(runs: "list[NetworkRun]", rows: list[dict[str, Any]]) -> list[str]:
    """A table for each network; the networks' names."""
    from reports.quality import MEASURES
    from reports.table import labels

    known = [name for name in MEASURES if any(row.get(name) is not None for row in rows)]
    columns = (COLUMNS[0], *known, *(n for n in COLUMNS[1:] if not known or n not in MADE_OF))
    networks = list(dict.fromkeys(run.network for run in runs))
    for network in networks:
        own = [i for i, run in enumerate(runs) if run.network == network]
        names = labels([runs[i] for i in own])
        if len(networks) > 1:
            typer.echo(network)
        shown = [{**rows[i], "run": name} for i, name in zip(own, names, strict=True)]
        terminal.print_table(shown, columns, HEADINGS)
    return networks


def _print_quality(runs: "list[NetworkRun]") -> None:
    """How well models answer, those that answer alike together."""
    from reports.quality import in_words, quality
    from reports.table import labels

    told: dict[str, list[str]] = {}
    for name, run in zip(labels(runs), runs, strict=True):
        told.setdefault(in_words(quality(run)), []).append(name)
    for words, names in told.items():
        if words:
            typer.echo(f"{', '.join(names)} (95 % intervals):\n  {words}")


def _told(runs: "list[NetworkRun]") -> list[str]:
    """Each note once, with the runs it concerns in front where those are not all of them."""
    from reports.table import labels, notes

    concerned: dict[str, list[str]] = {}
    for name, run in zip(labels(runs), runs, strict=True):
        for note in notes(run.provenance):
            concerned.setdefault(note, []).append(name)
    return [
        note if len(names) == len(runs) else f"{', '.join(names)}: {note}"
        for note, names in concerned.items()
    ]
