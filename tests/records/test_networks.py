from lepton_nb.models import zoo
from lepton_nb.records import Networks


def test_each_network_of_the_zoo_is_told_with_its_tasks_inputs_and_options():
    text = Networks(zoo.networks()).as_text()
    rows = {line.split()[0]: line for line in text.splitlines()[3:-1]}
    assert set(rows) == {one.name for one in zoo.networks()}
    for one in zoo.networks():
        assert all(word in rows[one.name] for word in (*one.tasks, one.inputs, *one.options[:3]))
        assert one.options[3:4] == () or f" and {len(one.options) - 3} more" in rows[one.name]
