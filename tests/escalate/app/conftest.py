import pytest

from tests.escalate.app.tiny import tiny_folder


@pytest.fixture(scope="session")
def compressed(tmp_path_factory):
    """A compressed model folder; tests only read it."""
    return tiny_folder(tmp_path_factory.mktemp("tiny") / "tiny")
