"""escalate validate: the machines beside what others measured or computed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from escalate.cli import completion, options, terminal
from escalate.cli.options import Format

NOTED = ("outside", "lower bound")  # verdicts whose reasons are told
COLUMNS = ("quantity", "case", "published", "ours", "ratio", "band", "verdict")

Machines = Annotated[
    str | None,
    typer.Option(
        "--machines",
        metavar="A,B,C",
        help="Names, with commas between; all that numbers are published about by default.",
        autocompletion=completion.machine_lists,
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Also write validation.csv, validation.parquet and validation.html.",
        show_default=False,
    ),
]


def validate(
    machines: Machines = None,
    threads: options.Threads = None,
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
    out: Out = None,
) -> None:
    """Compute every published number again, and print ours, the accepted band and the verdict.

    Numbers come from papers, measured chips and other simulators; the tables lie in
    reports/published with their sources. A number outside its band stays there, with the reason.

    Examples:

      escalate validate

      escalate validate --machines systolic --out validation
    """
    from escalate.app.results import NewFolder
    from escalate.app.threads import threads as on_threads
    from escalate.app.validate import FILES, write_validation
    from escalate.app.validate import validate as compute

    if out is not None:
        NewFolder(out, FILES)
    with on_threads(threads), terminal.bar() as watch:
        frame = compute(None if machines is None else options.words(machines), watch=watch)
    if out is not None:
        write_validation(frame, out)
        terminal.say(f"wrote {out}")
    _print(
        [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")],
        shape,
    )


def _print(rows: list[dict[str, Any]], shape: Format) -> None:
    from reports.validation import VERDICTS, collapsed, summary

    thing = {"numbers": rows, "summary": summary(rows)}
    if terminal.print_data(shape, thing, rows):
        return
    for name in dict.fromkeys(row["machine"] for row in rows):
        typer.echo(name)
        own = [row for row in rows if row["machine"] == name]
        terminal.print_table(collapsed(own), COLUMNS)
    reasons = {row["reason"]: row for row in rows if row["verdict"] in NOTED}
    terminal.print_notes(
        [f"{row['machine']}, {row['quantity']}: {why}" for why, row in reasons.items()]
    )
    terminal.print_table(summary(rows), ("machine", "compared", *VERDICTS))
