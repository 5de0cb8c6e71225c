"""Does the citation file name this version, and the paper that README names?"""

from pathlib import Path

import yaml

from escalate.version import VERSION

ROOT = Path(__file__).parent.parent.parent


def test_the_citation_is_of_this_version_and_the_papers():
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    readme = (ROOT / "README.md").read_text("utf-8")
    (paper,) = found["references"]
    assert found["version"] == VERSION
    assert paper["doi"] in readme
    assert f"pages     = {{{paper['start']}--{paper['end']}}}" in readme
