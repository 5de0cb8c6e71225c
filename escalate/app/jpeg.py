"""jpeg: pictures through Pillow's JPEG encoder and decoder, to compare with."""

import io

import numpy as np
from PIL import Image

SUBSAMPLINGS = {"jpeg 4:2:0": 2, "jpeg 4:4:4": 0}  # Pillow's numbers
START_OF_SCAN = 0xDA


def encode(pixels: np.ndarray, quality: int, subsampling: int) -> bytes:
    """A picture, uint8 (3, H, W), as a JPEG file with Huffman tables of its own.

    Examples
    --------
    >>> file = encode(np.zeros((3, 16, 16), np.uint8), 50, 2)
    >>> file[:2], decode(file).shape, decode(file).max()
    (b'\\xff\\xd8', (3, 16, 16), np.uint8(0))
    """
    file = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    picture.save(file, "JPEG", quality=quality, subsampling=subsampling, optimize=True)
    return file.getvalue()


def decode(file: bytes) -> np.ndarray:
    """The picture of a file, uint8 (3, H, W)."""
    with Image.open(io.BytesIO(file)) as opened:
        return np.asarray(opened.convert("RGB")).transpose(2, 0, 1)


def scan_bytes(file: bytes) -> int:
    """What is left of a file without all that stands before its scan: sizes and tables.

    Examples
    --------
    >>> file = encode(np.zeros((3, 16, 16), np.uint8), 50, 2)
    >>> 0 < scan_bytes(file) < len(file) - 100
    True
    """
    place = 2  # behind the mark that starts a file, segments: 0xFF, kind, length with itself
    while file[place + 1] != START_OF_SCAN:
        place += 2 + int.from_bytes(file[place + 2 : place + 4], "big")
    return len(file) - place
