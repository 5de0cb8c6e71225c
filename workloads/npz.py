"""The exceptions that reading a damaged or foreign ``.npy`` or ``.npz`` file may raise."""

import struct
import tokenize
import zipfile
import zlib

NPZ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    OverflowError,
    MemoryError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""NumPy reads an array's header as Python text, and a zip archive may be encrypted or odd."""


def reason(error: BaseException) -> str:
    """The first line of an error message, or the name of the error.

    Examples
    --------
    >>> reason(ValueError("torn\\nhere")), reason(EOFError())
    ('torn', 'EOFError')
    """
    return (str(error).splitlines() or [type(error).__name__])[0]
