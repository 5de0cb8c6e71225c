"""Is every option that is a number read strictly, between two bounds?"""

import typing

import pytest
import typer

from escalate.cli.main import app
from escalate.cli.numbers import PARSERS, Real, Whole


def options(of):
    for command in of.registered_commands:
        for name, hint in typing.get_type_hints(command.callback, include_extras=True).items():
            if typing.get_origin(hint) is typing.Annotated:
                kind, option = typing.get_args(hint)
                if {int, float} & {kind, *typing.get_args(kind)}:
                    yield command.callback.__module__, name, kind, option
    for group in of.registered_groups:
        yield from options(group.typer_instance)


FOUND = list(options(app))


def test_every_number_has_a_parser_of_its_kind():
    assert len(FOUND) > 50
    for module, name, kind, option in FOUND:
        whole = float not in {kind, *typing.get_args(kind)}
        assert isinstance(option.parser, Whole if whole else Real), (module, name)
        assert option.parser.least < option.parser.most


def test_no_parser_is_left_over():
    assert {name for _, name, *_ in FOUND} == set(PARSERS)


@pytest.mark.parametrize("parser", set(PARSERS.values()), ids=str)
@pytest.mark.parametrize(
    "word", ["1_0", "true", "\u0663", "nan", "inf", "1e400", "", "0x1", "9" * 50]
)
def test_what_is_no_number_is_refused(parser, word):
    with pytest.raises(typer.BadParameter, match=r": wanted a (whole )?number .* to "):
        parser(word)


@pytest.mark.parametrize("parser", set(PARSERS.values()), ids=str)
def test_the_bounds_are_taken_and_nothing_beyond(parser):
    for bound in (parser.least, parser.most):
        assert parser(bound) == parser(str(bound)) == bound
    step = 1 if isinstance(parser, Whole) else abs(parser.most)
    for beyond in (parser.least - step, parser.most + step):
        with pytest.raises(typer.BadParameter):
            parser(str(beyond))
