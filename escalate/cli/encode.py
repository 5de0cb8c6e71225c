"""escalate encode: float arrays in as many bytes as are allowed."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format

COLUMNS = (
    "code",
    "stored_bytes",
    "bits_per_value",
    "entropy_bits_per_value",
    "mean_squared_error",
    "weighted_error",
)
HEADINGS = {"entropy_bits_per_value": "entropy, bits"}
Arrays = Annotated[
    Path,
    typer.Argument(
        metavar="ARRAYS",
        help="An .npy or .npz file of floats: posterior means, embeddings, weights.",
        show_default=False,
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out", metavar="FILE", help="The file to write; see decode.", show_default=False
    ),
]
Variances = Annotated[
    Path | None,
    typer.Option(
        "--variances",
        metavar="FILE",
        help="Posterior variances, of the same names and shapes: how uncertain each value is.",
        show_default=False,
    ),
]
Deviation = Annotated[
    float | None,
    typer.Option(
        "--deviation",
        metavar="X",
        help="Instead of variances: one standard deviation for all values; 1 by default.",
        show_default=False,
    ),
]
StoredBytes = Annotated[
    int | None,
    typer.Option("--bytes", metavar="N", help="The file has at most N bytes.", show_default=False),
]
BitsPerValue = Annotated[
    float | None,
    typer.Option(
        "--bits-per-value",
        metavar="B",
        help="The file has at most B bits for each value.",
        show_default=False,
    ),
]
RatePenalty = Annotated[
    float | None,
    typer.Option(
        "--rate-penalty",
        metavar="L",
        help="What a bit costs, in nats of the posterior's density (lambda).",
        show_default=False,
    ),
]
Longest = Annotated[
    int, typer.Option("--longest", metavar="N", help="Bits of the finest values, 0..15.")
]
Passes = Annotated[
    int,
    typer.Option(
        "--passes",
        metavar="N",
        help="From the second on, lengths cost what their frequency in the one before says.",
    ),
]


def encode(
    arrays: Arrays,
    out: Out,
    variances: Variances = None,
    deviation: Deviation = None,
    stored_bytes: StoredBytes = None,
    bits_per_value: BitsPerValue = None,
    rate_penalty: RatePenalty = None,
    longest: Longest = 10,
    passes: Passes = 2,
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
) -> None:
    """Quantize arrays so that uncertain values take fewer bits, and write them into one file.

    Variational Bayesian quantization (Yang, Bamler, Mandt, ICML 2020) under a Gaussian prior for
    each array.  Everything that decoding needs is in the file and counted.  The second row is what
    the nearest multiples of one step would have been, in a file of their own that is no larger.

    Examples:

      escalate encode words.npy --variances variances.npy --bits-per-value 2 --out words.vbq

      escalate encode model.npz --bytes 100000 --out model.vbq && escalate decode model.vbq
    """
    from escalate.app.encode import encode as write

    found = write(
        arrays,
        out=out,
        variances=variances,
        deviation=deviation,
        stored_bytes=stored_bytes,
        bits_per_value=bits_per_value,
        rate_penalty=rate_penalty,
        longest=longest,
        passes=passes,
    )
    rows = [asdict(row) for row in found.rows]
    head = {"path": str(found.path), "arrays": found.arrays, "values": found.values}
    if terminal.print_data(shape, {**head, "rows": rows, "notes": found.notes}, rows):
        return
    typer.echo(f"{found.path}: {found.arrays} arrays, {found.values:,} values")
    terminal.print_table(rows, COLUMNS, HEADINGS)
    terminal.print_notes(found.notes)
