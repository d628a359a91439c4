import copy
import pickle

import pytest

from lepton_nb import errors

KINDS = [kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_survives_pickle_and_copy_with_its_class_and_parts(kind) -> None:
    error = kind("port 3000 is taken", expected="a free port", got="python (pid 1)", hint="pass --port 0")
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(same) is kind
        assert str(same) == str(error)
        assert (same.what, same.expected, same.got, same.hint) == (error.what, error.expected, error.got, error.hint)


def test_a_message_is_one_line_whatever_it_is_made_of() -> None:
    assert "\n" not in str(errors.DataError("a\nb", got="c\n\td"))


def test_ipython_shows_one_line_with_the_class_name() -> None:
    assert errors.DataError("bad")._render_traceback_() == ["DataError: bad"]


def test_the_docstring_draws_every_class() -> None:
    assert all(kind.__name__ in (errors.__doc__ or "") for kind in KINDS)


def test_only_wrong_words_exit_with_two() -> None:
    assert {kind.__name__ for kind in KINDS if kind.exit_code == 2} == {"UsageError"}
