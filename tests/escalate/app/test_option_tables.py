"""Does the documentation list every option of every method as it is?"""

from pathlib import Path

import pytest

from escalate.app.option_tables import FILE, renewed
from escalate.compressors.registry import compressor, ours

TEXT = (Path(__file__).parent.parent.parent.parent / FILE).read_text("utf-8")


def test_the_tables_are_fresh():
    assert renewed(TEXT) == TEXT


@pytest.mark.parametrize("name", ours())
def test_every_option_is_listed(name):
    for field, info in compressor(name).options.model_fields.items():
        if field != "method":
            assert f"| `{field}` | " in TEXT
            assert info.description in TEXT
