"""Is an unequal logit noticed, and are equal ones counted?"""

import pytest

from arch.errors import InvariantError
from escalate.app.feed import Feed
from escalate.app.machines import choose
from escalate.app.simulate import FEWEST
from escalate.app.verify import verify
from escalate.integers import integer


@pytest.mark.parametrize("machine", ["basis_first", "systolic"])
def test_every_logit_is_compared(compressed, machine):
    found = verify(compressed, choose(machine)[0], Feed(None, 5))
    assert (found.images, found.logits, found.layers) == (5, 50, 5)
    assert 0 <= found.correct <= 5


def test_one_wrong_logit_is_noticed(compressed, monkeypatch):
    predict = integer.predict

    def wrong(*arguments, **options):
        logits = predict(*arguments, **options)
        logits[-1, -1] += 1
        return logits

    monkeypatch.setattr(integer, "predict", wrong)
    with pytest.raises(InvariantError, match="basis_first: the logits"):
        verify(compressed, choose("basis_first")[0], Feed(None, 2))


def test_the_command(compressed, monkeypatch, capsys):
    from escalate.cli.main import main

    def told(count):
        words = ["escalate", "verify", str(compressed.folder), "--count", str(count)]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
        return capsys.readouterr().out

    assert "30 logits of 3 images through 5 layers" in told(3)
    lines = told(3).splitlines()
    assert lines[1].endswith("bit for bit")  # too few images to say more
    assert "loses most" in lines[2]
    assert told(FEWEST).splitlines()[1].endswith("classified correctly")
