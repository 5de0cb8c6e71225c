"""escalate compare: the same network on several machines."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from escalate.cli import completion, options, terminal
from escalate.cli.options import Format

if TYPE_CHECKING:
    from arch.simulate import NetworkRun

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


def compare(
    source: options.Sources,
    machines: Annotated[
        str,
        typer.Option(
            "--machines",
            metavar="A,B,C",
            help="Names, NAME:PRESET, or .toml files, with commas between; all for every machine.",
            autocompletion=completion.machine_lists,
        ),
    ] = "basis_first,systolic",
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="A",
            help="What speedup and energy efficiency refer to; the first machine by default.",
            show_default=False,
        ),
    ] = None,
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
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Also write report.html, figures/*.svg, run.json and tables: layers, totals.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run networks on several machines and put them side by side.

    Of several networks the geometric means of the ratios stand below.

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
    from escalate.app.compare import (
        Comparison,
        baseline_label,
        compare_frame,
        compare_object,
        several,
    )
    from escalate.app.feed import Feed, parse_synthetic
    from escalate.app.machines import baseline_index, choose_all
    from escalate.app.prices import priced
    from escalate.app.results import dumps

    chosen = choose_all(options.words(machines), options.words(preset), settings or ())
    choices = priced(chosen, energy_table)
    base = baseline_index(choices, baseline)
    recipe = parse_synthetic(synthetic, basis=basis, seed=seed, count=count)
    feed = Feed(images, count, recipe, classes)
    comparison = Comparison(several(source), choices, feed, threads)
    if dry_run:
        from escalate.app.estimate import estimate, jobs_of

        jobs = [job for each in comparison.sources for job in jobs_of(each, choices, feed)]
        terminal.print_estimate(estimate(jobs).told(), shape)
        return
    if out is not None:
        from escalate.app.publish import check_target, publish

        check_target(out)
    with terminal.layer_progress() as watch:
        runs = comparison.run(watch)
    label = baseline_label(runs, base)
    if out is not None:
        facts = {"source": ", ".join(source)}
        publish(
            out,
            runs,
            title=", ".join(each.name for each in comparison.sources),
            baseline=label,
            facts=facts,
        )
        terminal.say(f"wrote {out}")
    if shape is Format.json:
        typer.echo(dumps(compare_object(runs, base)))
    elif shape is Format.csv:
        typer.echo(compare_frame(runs, base).to_csv(index=False), nl=False)
    else:
        _print(runs, label)


def _print(runs: "list[NetworkRun]", label: str) -> None:
    from reports.quality import MEASURES, in_words, quality
    from reports.ratios import compare_rows, differences, mean_rows
    from reports.table import labels

    rows = compare_rows(runs, label)
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
    if len(networks) > 1:
        typer.echo("geometric means over the networks")
        terminal.print_table(mean_rows(rows), MEANS, HEADINGS)
    typer.echo(f"baseline: {label}")
    told: dict[str, list[str]] = {}
    for name, run in zip(labels(runs), runs, strict=True):
        told.setdefault(in_words(quality(run)), []).append(name)
    for words, names in told.items():
        if words:
            typer.echo(f"{', '.join(names)} (95 % intervals):\n  {words}")
    terminal.print_notes(differences([run for run in runs if run.network == networks[0]]))
    terminal.print_notes(_told(runs))


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
