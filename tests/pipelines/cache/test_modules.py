"""Which files of a project a notebook needs: by its imports, its `%run` and its shell lines."""

import json
import sys

import pytest

from lepton_nb.pipelines.cache import Cell, Sources
from lepton_nb.pipelines.cache.modules import Imports

from .conftest import code


@pytest.fixture
def project(tmp_path):
    def write(name, text=""):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    write("plain.py", "import deeper\n")
    write("deeper.py", "import json, numpy\n")
    write("unused.py")
    write("src/added.py")
    write("pack/__init__.py")
    write("pack/one.py", "from . import two\nfrom .inner.three import x\n")
    write("pack/two.py", "def f():\n    import plain\n")
    write("pack/four.py")
    write("pack/inner/__init__.py")
    write("pack/inner/three.py", "x = 1\nimport other.far\n")
    write("other/__init__.py", "from .near import y")
    write("other/near.py", "y = 1")
    write("other/far.py")
    write("space/part.py")
    return tmp_path


def reached(root, *sources, texts=()):
    return [str(path.relative_to(root)) for path in Imports(root).reached([Cell(source) for source in sources], texts)]


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("import json, torch", []),
        ("import plain", ["deeper.py", "plain.py"]),
        ("def f():\n    from deeper import x", ["deeper.py"]),
        ("%matplotlib inline\n!ls\nx = !ls\nimport deeper\nlen?\n", ["deeper.py"]),
        ("%%time\nimport deeper", ["deeper.py"]),
        ("if True:\n    %time x = 1\nfrom deeper import a", ["deeper.py"]),
        ("import importlib\nimportlib.import_module('deeper')", ["deeper.py"]),
        ("this is no python\nimport deeper", ["deeper.py"]),
        ("%lepton train deeper:Net --data d", ["deeper.py"]),
        ("%load_ext deeper", ["deeper.py"]),
        ("import sys\nsys.path.insert(0, 'src')\nimport added", ["src/added.py"]),
        ("import space.part", ["space/part.py"]),
        ("from pack import four", ["pack/__init__.py", "pack/four.py"]),
        (
            "from pack.one import g",
            [
                *("deeper.py", "other/__init__.py", "other/far.py", "other/near.py", "pack/__init__.py"),
                *("pack/inner/__init__.py", "pack/inner/three.py", "pack/one.py", "pack/two.py", "plain.py"),
            ],
        ),
    ],
)
def test_imported_modules_of_the_project_are_found_at_any_remove(project, source, files):
    assert reached(project, source) == files


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("%run plain.py", ["deeper.py", "plain.py"]),
        ("%run plain", ["deeper.py", "plain.py"]),
        ("if True:\n    %time %run -i 'tools/my tool.py' 3", ["tools/beside.py", "tools/my tool.py"]),
        ("%run more.ipynb", ["deeper.py", "more.ipynb", "tools/run.sh", "unused.py"]),
        ("%run -m pack.four", ["pack/__init__.py", "pack/four.py"]),
        ("x = !python unused.py --n=1 && echo", ["unused.py"]),
        ("!cd tools && python \\\n  'my tool.py'", ["tools/beside.py", "tools/my tool.py"]),
        ("%cd tools\n%sx bash run.sh", ["tools/run.sh", "unused.py"]),
        ("%%bash\npython unused.py < data.txt > plain.py\n", ["data.txt", "unused.py"]),
        ("%%sh\npython made.py; cat out/x.py .lepton/x.py ../x.py | sort", []),
        ("x = 'plain.py'\ny = x != 'plain.py'\n# run plain.py", []),
    ],
)
def test_files_that_are_run_or_handed_to_a_shell_are_found_with_what_they_need(project, source, files):
    for name, text in {
        "tools/my tool.py": "import beside",
        "tools/beside.py": "",
        "tools/run.sh": "python unused.py",
        "data.txt": "",
        "made.py": "",
        "out/x.py": "",
        ".lepton/x.py": "",
        "more.ipynb": json.dumps({"cells": [code("import deeper"), code("!tools/run.sh")]}),
    }.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    found = Imports(project).reached([Cell(source)], made=[project / "made.py", project / "out"])
    assert [str(path.relative_to(project)) for path in found] == files


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nsys.path += ['lib']",
        "import sys\nsys.path[:0] = ['lib']",
        "import sys\nsys.path = ['lib', *sys.path]",
        "import os, sys\nsys.path.insert(0, os.path.join('a', 'lib'))",
        "import sys\nsys.path.append(str(Path('a') / 'lib'))",
        "import sys as system\nsystem.path.append('lib')",
        "from sys import path\npath.append('lib')",
        "import site\nsite.addsitedir('lib')",
        "import os\nos.chdir('lib')",
        "from os import chdir as go\ngo('lib')",
        "%cd $where",
        "cd lib",
        "%pushd lib",
        "%env PYTHONPATH=lib",
        "!cd lib && python -c 'import helper'",
        "import importlib\nimportlib.import_module(f'hel{x}')",
        "import importlib\nimportlib.import_module('.helper', 'lib')",
        "from importlib import import_module as take\ntake('helper')",
        "import runpy\nrunpy.run_path('lib/helper.py')",
        "import vague",
        "this is no python\nsys.path += ['lib']",
    ],
)
def test_all_modules_count_where_code_does_not_say_plainly_from_where_it_imports(tmp_path, source):
    own = ["a/lib/deep.py", "lib/helper.py", "vague.py"]
    others = [".hidden/x.py", ".lepton/x.py", "env/x.py", "lib/site-packages/x.py", "made/x.py", "made.py"]
    for name in (*own, *others, "env/pyvenv.cfg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("import sys\nsys.path.append('lib')\n" if name == "vague.py" else "")
    found = Imports(tmp_path).reached([Cell(source)], made=[tmp_path / "made", tmp_path / "made.py"])
    assert [str(path.relative_to(tmp_path)) for path in found] == own


@pytest.mark.parametrize(
    "source",
    [
        "%cd lib\nimport helper",
        "import sys\nsys.path.extend(['lib', 'gone'])\nimport helper",
        "!cd lib && python -m helper",
        "import sys\nsys.path.append('lib')\n__import__('helper')",
        "from lib.helper import x",
        "import lib.helper as x, sys, os\nos.path.join(sys.argv[0], x.path)",
    ],
)
def test_only_what_is_imported_counts_where_code_says_plainly_from_where(tmp_path, source):
    for name in ("lib/helper.py", "lib/other.py", "more.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert reached(tmp_path, source) == ["lib/helper.py"]


@pytest.mark.parametrize("source", ["import tools.util", "from tools import util", "from tools.util import f"])
def test_a_package_imports_from_a_folder_that_is_no_package_of_its_own(project, source):
    (project / "pack" / "four.py").write_text(source)
    (project / "tools").mkdir()
    (project / "tools" / "util.py").write_text("import deeper")
    assert reached(project, "import pack.four") == ["deeper.py", "pack/__init__.py", "pack/four.py", "tools/util.py"]


def test_a_module_beside_the_project_counts_when_it_is_not_installed(project, tmp_path_factory, monkeypatch):
    beside = tmp_path_factory.mktemp("beside")
    for name in ("mine.py", "kept/__init__.py", "kept/part.py", "site-packages/installed.py"):
        (beside / name).parent.mkdir(exist_ok=True)
        (beside / name).write_text("import plain\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(beside), str(beside / "site-packages")])
    names = "import mine, kept.part, installed, json, pytest, lepton_nb"
    found = Imports(project).reached([Cell(names)])
    assert set(found) == {beside / "mine.py", beside / "kept/__init__.py", beside / "kept/part.py"} | {
        project / "plain.py",
        project / "deeper.py",
    }
    sources = Sources(project)
    (project / "s.ipynb").write_text(json.dumps({"cells": [code(names)]}))
    before = sources.key(project / "s.ipynb", {})
    (beside / "mine.py").write_text("import plain\nx = 2\n")
    assert sources.key(project / "s.ipynb", {}) != before


def test_an_object_named_in_a_parameter_brings_its_module(project):
    assert reached(project, "1", texts=["deeper:Net", "http://plain:80", "no:thing"]) == ["deeper.py"]


def test_a_package_that_does_not_parse_is_taken_whole(project):
    (project / "pack" / "broken.py").write_text("def")
    found = reached(project, "import pack.four")
    assert {"pack/broken.py", "pack/one.py", "pack/four.py"} <= set(found)


def test_paths_are_as_they_were_after_modules_were_looked_for(project):
    before = list(sys.path)
    reached(project, "import pack.one")
    assert sys.path == before
