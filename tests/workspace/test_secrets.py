"""Secrets: found where they are kept, and found again in whatever is about to be written."""

import base64
import html
import json
import os
import pickle
import subprocess
import sys
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_nb.errors import NotFoundError, UsageError
from lepton_nb.workspace import SecretStream, mask, mask_all, resolve_secret, secret_name, secret_names, secrets

VALUE = "c4n\"ary'<&\\é tail"


@pytest.fixture
def known(monkeypatch):
    """A process in which nothing but CANARY was resolved."""
    monkeypatch.setattr(secrets, "_known", {})
    monkeypatch.setenv("LEPTON_SECRETS", "")
    monkeypatch.setenv("CANARY", VALUE)
    assert resolve_secret("CANARY") == VALUE


def test_only_a_whole_reference_names_a_secret():
    assert secret_name("secret:API_KEY") == "API_KEY"
    assert [secret_name(value) for value in ("secret:", "secret: x", "a secret:X", "secret:a b", 1, None)] == 6 * [None]
    assert list(secret_names({"a": ["secret:X", ("secret:Y", {"b": "secret:Z"})], "secret:K": 1})) == ["X", "Y", "Z"]


def test_an_absent_secret_is_named_with_the_places_that_were_asked(monkeypatch):
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.delenv("NO_SUCH_SECRET", raising=False)
    with pytest.raises(NotFoundError, match=r"no secret NO_SUCH_SECRET.*environment variable.*keyring") as caught:
        resolve_secret("NO_SUCH_SECRET")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_secret_that_ordinary_text_holds_is_refused_without_being_shown(monkeypatch):
    monkeypatch.setenv("TINY", "zq")
    with pytest.raises(UsageError, match="TINY is too short") as caught:
        resolve_secret("TINY")
    assert "zq" not in str(caught.value)


def test_the_keyring_is_asked_when_the_environment_has_none(monkeypatch):
    import keyring

    monkeypatch.setattr(secrets, "_known", {})
    monkeypatch.setenv("LEPTON_SECRETS", "")
    monkeypatch.delenv("KEPT", raising=False)
    monkeypatch.setattr(
        keyring, "get_password", lambda service, name: {("lepton", "KEPT"): "from-keyring"}.get((service, name))
    )
    assert resolve_secret("KEPT") == "from-keyring"
    assert mask("x from-keyring y") == "x [secret:KEPT] y"


@pytest.mark.parametrize(
    "written",
    [
        str,
        repr,
        ascii,
        json.dumps,
        html.escape,
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: base64.b64encode(value.encode()).decode(),
        lambda value: f"{{'token': {value!r}}}",
    ],
)
def test_a_known_secret_is_masked_however_it_is_written(known, written):
    text = f"before {written(VALUE)} after"
    assert "c4n" not in mask(text)
    assert base64.b64encode(VALUE.encode()).decode() not in mask(text)
    assert "[secret:CANARY]" in mask(text)
    assert mask_all({"k": [text, 1, {"x": text}]}) == {"k": [mask(text), 1, {"x": mask(text)}]}


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", ["user:", "me:", "x", ""])
@pytest.mark.parametrize("after", ["", "z", "\\n--"])
def test_a_secret_inside_a_base64_text_is_masked(known, encode, before, after):
    text = encode(f"{before}{VALUE}{after}".encode()).decode()
    shown = mask(f"Authorization: Basic {text}")
    assert shown.count("[secret:CANARY]") == 1
    # Nothing of it but bits that it shares with its neighbours.
    left = shown.replace("[secret:CANARY]", "").removeprefix("Authorization: Basic ")
    assert len(left) <= 4 * (len(before) + len(after)) / 3 + 4
    stream = SecretStream()
    assert "".join(map(stream.feed, text)) + stream.rest() == mask(text)


@pytest.mark.parametrize("quoted", [quote, quote_plus, lambda text: quote(text, safe="!'()*~").lower()])
def test_a_secret_in_an_address_is_masked(monkeypatch, quoted):
    value = "p/w d!%é;x"
    monkeypatch.setattr(secrets, "_known", {"CANARY": value})
    assert mask(f"https://me:{quoted(value)}@host/") == "https://me:[secret:CANARY]@host/"


def test_text_without_a_secret_stays_as_it_is(known):
    assert mask("nothing to hide") == "nothing to hide"
    assert mask_all({"a": [1, None, "b"]}) == {"a": [1, None, "b"]}


def test_a_key_of_many_lines_is_masked_line_by_line(monkeypatch):
    monkeypatch.setattr(secrets, "_known", {})
    monkeypatch.setenv("PEM", "-----BEGIN-----\nabcdefghijkl\nmnopqrstuvwx\n-----END-----")
    resolve_secret("PEM")
    assert mask("part: mnopqrstuvwx.") == "part: [secret:PEM]."


@given(st.data())
def test_a_text_in_pieces_shows_what_the_whole_would(data):
    names, secrets._known = secrets._known, {"S": "hunter2-hunter"}
    try:
        whole = "".join(data.draw(st.lists(st.sampled_from(["hunter2-", "hunter", "h", "x", "2", "\n"]), max_size=12)))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
        stream = SecretStream()
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        shown = [stream.feed(piece) for piece in pieces]
        assert "".join([*shown, stream.rest()]) == mask(whole)
    finally:
        secrets._known = names


def test_a_process_that_is_started_masks_what_its_parent_resolved(known):
    code = "from lepton_nb.workspace import mask; import os; print(mask(os.environ['CANARY']))"
    said = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[secret:CANARY]"
