"""Every error can be caught as ours and as the builtin it is."""

import pytest

from spelke import errors

BUILTINS = {
    errors.InvalidInput: ValueError,
    errors.MissingData: FileNotFoundError,
    errors.BadFile: OSError,
    errors.UnknownName: LookupError,
    errors.MissingExtra: ImportError,
    errors.BadCheckpoint: RuntimeError,
    errors.BadModel: RuntimeError,
    errors.Unavailable: RuntimeError,
    errors.Diverged: ArithmeticError,
}


@pytest.mark.parametrize(("kind", "builtin"), BUILTINS.items(), ids=lambda kind: kind.__name__)
def test_an_error_is_ours_and_a_builtin(kind, builtin):
    assert issubclass(kind, errors.SpelkeError)
    assert issubclass(kind, builtin)


@pytest.mark.parametrize("kind", BUILTINS, ids=lambda kind: kind.__name__)
def test_an_error_says_exactly_its_message(kind):
    assert str(kind("what came, what is accepted")) == "what came, what is accepted"


def test_no_error_is_left_out_of_these_tests():
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    ours = {kind for kind in kinds if issubclass(kind, errors.SpelkeError)}
    assert ours == {errors.SpelkeError, *BUILTINS}
