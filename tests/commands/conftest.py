import pytest

from lepton_nb.errors import NotFoundError


class FakeHost:
    """A host with the variables it is given; it keeps the events it is told."""

    def __init__(self, **variables) -> None:
        self.variables = variables
        self.events = []

    def knows(self, name):
        return name in self.variables

    def names(self):
        return tuple(self.variables)

    def resolve(self, name):
        if name in self.variables:
            return self.variables[name]
        from lepton_nb.commands import import_object

        return import_object(name)

    def report(self, event) -> None:
        self.events.append(event)


@pytest.fixture
def fake_host():
    return FakeHost


@pytest.fixture(params=["fake", "shell", "notebook"])
def host_with(request):
    """Makes a host of each kind that knows `answer`, when its kind has variables at all."""

    def make(**variables):
        if request.param == "fake":
            return FakeHost(**variables), True
        if request.param == "shell":
            from lepton_nb.commands import PlainHost

            return PlainHost(), False
        from IPython.core.interactiveshell import InteractiveShell

        from lepton_nb.magics.magic import NotebookHost

        shell = InteractiveShell()
        shell.user_ns.update(variables)
        return NotebookHost(shell), True

    return make


@pytest.fixture
def not_found():
    return NotFoundError
