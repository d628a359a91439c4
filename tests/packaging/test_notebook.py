"""A notebook is read before it is packaged from, and its cells are run again in a kernel of their own."""

from __future__ import annotations

import ast

import nbformat
import pytest

from lepton_nb.errors import FormatError, NotFoundError, PackagingError
from lepton_nb.packaging import check_notebook, replay
from lepton_nb.packaging.cells import above_package, read_cells
from lepton_nb.packaging.names import Names, bound_by


@pytest.fixture
def book(tmp_path):
    """Writes a notebook of these cells; (source, output) leaves an output."""
    (tmp_path / "constraints.txt").write_text("numpy==2.4.6\nPyYAML==6.0\n")

    def write(*cells, name="work.ipynb"):
        made = []
        for cell in cells:
            source, text = cell if isinstance(cell, tuple) else (cell, "")
            one = nbformat.v4.new_code_cell(source)
            if text:
                one.outputs = [nbformat.v4.new_output("stream", text=text)]
            made.append(one)
        path = tmp_path / name
        nbformat.write(nbformat.v4.new_notebook(cells=made), path)
        return path

    return write


def check(path):
    return check_notebook(path, path.parent)


def refusal(path):
    with pytest.raises(PackagingError) as refused:
        check(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def missing(*cells):
    names = Names()
    found = [name for number, cell in enumerate(cells, 1) for name in names.read(ast.parse(cell), number)]
    return found, [name for _, name in names.unmet()]


@pytest.mark.parametrize(
    "cells",
    [
        ("import os, sys as s\nfrom a.b import c as d\nprint(os, s, d)",),
        ("x = 1\nx += 1\ny: int = x\n[a, *b] = y, 2\n(c := b)\nprint(a, c)",),
        ("for i, (j, k) in []:\n    print(i, j, k)\nelse:\n    z = 1\nprint(z)",),
        ("with open('a') as f, open('b') as (g, h):\n    f, g, h",),
        ("try:\n    import q\nexcept ImportError as e:\n    print(e)\n    q = None\nq",),
        ("[i for i in range(3) if i]\n{k: v for k, v in {}.items()}\nsum(a * b for a in [1] for b in [a])",),
        ("def f(a, *b, c=1, **d):\n    e = a\n    return [e, b, c, d, later]\n", "later = 1\nf(1)"),
        ("class A:\n    x = 1\n    y = x\n    def m(self):\n        return __class__, super(), A, self\nA()",),
        ("(lambda u, *v: (u, v))(1)\nmatch [1]:\n    case [w, *r]: print(w, r)\n    case {'k': p, **o}: print(p, o)",),
        ("def set_it():\n    global made\n    made = 1\nset_it()\nprint(made)",),
        ("from numpy import *\nanything",),
        ("get_ipython().run_line_magic('lepton', 'train cnn -o run')\nrun",),
        ("x = 1\nget_ipython().run_line_magic('lepton', 'package {x} $x {{not}} $$no')",),
        ("get_ipython().run_line_magic('run', 'setup.py')\nfrom_setup",),
        ("print(__name__, In, Out, _, display, __file__)",),
    ],
)
def test_what_is_defined_is_found(cells):
    assert missing(*cells) == ([], [])


@pytest.mark.parametrize(
    ("cells", "now", "later"),
    [
        (("print(x)\nx = 1", "x"), ["x"], []),
        (("x = 1\ndel x", "x"), ["x"], []),
        (("x += 1",), ["x"], []),
        (("def f(a=nothing):\n    return never\n",), ["nothing"], ["never"]),
        (
            ("class A(Base):\n    field = unknown\n    def m(self):\n        return never",),
            ["Base", "unknown"],
            ["never"],
        ),
        (("[i for i in rows]\ni",), ["rows", "i"], []),
        (("@decorate\ndef f(): ...",), ["decorate"], []),
        (("get_ipython().run_line_magic('lepton', 'package {run.id} --name $name')",), ["run", "name"], []),
    ],
)
def test_what_is_not_defined_is_told(cells, now, later):
    assert missing(*cells) == (now, later)


def test_what_a_cell_would_give_is_known():
    cell = "import os\nrun = get_ipython().run_line_magic('lepton', 'train cnn -o other')\ndef f(): inner = 1"
    assert bound_by(ast.parse(cell)) == {"os", "run", "other", "f"}


def test_a_sound_notebook_is_read_up_to_its_package_call(book):
    path = book(
        "%load_ext lepton_nb\n%matplotlib inline\n%lepton package import churn.lepton",
        "import numpy as np, os, yaml\nimport lepton_nb",
        "%%time\nrows = np.zeros(3)\n!ls {rows}",
        "%%bash\necho $nothing",
        "run = %lepton train cnn --data digits\nawait run",
        "bento = %lepton package {run}",
        "not_defined_but_below",
    )
    assert [cell.number for cell in above_package(read_cells(path))] == [1, 2, 3, 4, 5]
    assert check(path) == 6


def test_names_imports_and_unreadable_cells_are_told_with_their_cell(book):
    told = refusal(
        book("import numpy, torch\nfrom nowhere_at_all import x", "print(dm)", "1 +", "%lepton package last")
    )
    assert "cell 2 uses 'dm', which no cell above defines" in told
    assert "cell 1 imports torch, which no environment file pins" in told
    assert "cell 1 imports nowhere_at_all, which is not installed, nor pinned" in told
    assert "cell 3 is not Python" in told
    assert "numpy" not in told


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("requirements.txt", "torch == 2.13.0 ; python_version > '3'\n"),
        ("environment.yml", "dependencies:\n  - torch=2.13.0\n"),
        ("environment.yml", "dependencies:\n  - pip:\n      - torch==2.13.0\n"),
        ("uv.lock", '[[package]]\nname = "torch"\nversion = "2.13.0"\n'),
        ("pyproject.toml", '[project]\ndependencies = ["torch==2.13.0"]\n'),
    ],
)
def test_a_pin_stands_in_any_environment_file(file, text, book, tmp_path):
    path = book("import torch")
    assert "torch" in refusal(path)
    (tmp_path / file).write_text(text)
    assert check(path) == 1


@pytest.mark.parametrize("line", ["torch>=2", "torch", "# torch==2.13.0"])
def test_what_is_no_pin_pins_nothing(line, book, tmp_path):
    path = book("import torch")
    (tmp_path / "requirements.txt").write_text(line + "\n")
    assert "torch" in refusal(path)


def test_modules_of_the_project_need_no_pin(book, tmp_path):
    (tmp_path / "own.py").write_text("")
    (tmp_path / "pack").mkdir()
    assert check(book("import own\nfrom pack import thing")) == 1


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("key AKIA" + "ABCDEFGHIJKLMNOP", "an AWS access key"),
        ("ghp_" + "a1" * 18, "a GitHub token"),
        ("hf_" + "Ab1" * 11, "a Hugging Face token"),
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ("postgresql://me:hunter22@host/db", "an address with a password"),
        ("the value is plain-but-secret-1", "the value of $MY_API_KEY"),
        ("the value is kept-in-lepton-2", "a secret of lepton"),
    ],
)
def test_a_secret_in_an_output_is_told_but_not_shown(text, what, book, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "plain-but-secret-1")
    monkeypatch.setenv("WORD_OF_MINE", "kept-in-lepton-2")
    monkeypatch.setattr("lepton_nb.workspace.secrets._known", {})
    monkeypatch.setenv("LEPTON_SECRETS", "")
    told = refusal(book("value = 'secret:WORD_OF_MINE'", ("1", f"x {text} y")))
    assert f"the output of cell 2 shows {what}" in told
    assert text.split()[-1] not in told


def test_pictures_and_ordinary_text_are_no_secrets(book):
    path = book(("1", "https://example.org:8080/a@b token=*** sk-learn postgresql://me:***@host/db"))
    assert check(path) == 1


def test_what_is_no_notebook_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match=r"no\.ipynb does not exist"):
        check(tmp_path / "no.ipynb")
    (tmp_path / "bad.ipynb").write_text("{")
    with pytest.raises(FormatError, match="is not a notebook"):
        check(tmp_path / "bad.ipynb")


def test_cells_are_run_again_without_those_that_start_something(book, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / ".lepton"))
    path = book(
        "%load_ext lepton_nb\nimport os, lepton_nb",
        "assert os.environ['LEPTON_REPLAY'] == '1'\nplace = os.getcwd()",
        "run = %lepton train cnn --data digits",
        "same = run.id",
        "%lepton evaluate {run}",
        "lepton_nb.train('cnn', data='digits')",
        f"assert place == {str(tmp_path)!r}\nknown = %lepton runs",
        "%lepton package {run}",
        "raise ValueError('below the call')",
    )
    before = path.read_bytes()
    done = replay(path)
    assert (done.cells, done.left) == (7, (3, 4, 5, 6))
    assert str(done) == (
        "3 of 7 cells were replayed; left out, since they start or change something or need what does: 3, 4, 5, 6"
    )
    assert path.read_bytes() == before
    assert capfd.readouterr() == ("", "")


def test_a_cell_that_fails_by_itself_is_told(book):
    with pytest.raises(PackagingError, match=r"work\.ipynb does not run from the top.*cell 2: NameError: .*'hidden'"):
        replay(book("a = 1", "print(hidden)", "%lepton package last"))
