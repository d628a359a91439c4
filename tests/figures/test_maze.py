import xml.etree.ElementTree as ET

from lepton_nb.figures import maze

# Two rooms beside each other, and a third one below the second.
WALLS = [
    [True, True, True, True, True],
    [True, False, False, False, True],
    [True, True, True, False, True],
    [True, False, True, False, True],
    [True, True, True, True, True],
]
SVG = "{http://www.w3.org/2000/svg}"


def drawn(walk, title="a maze"):
    return ET.fromstring(maze(WALLS, walk, [0, 1, 3], title=title))


def test_the_agent_walks_through_the_rooms_and_waits_at_the_end():
    (moves,) = drawn([0, 1, 3]).iter(f"{SVG}animateTransform")
    places = [tuple(map(float, one.split())) for one in moves.get("values").split(";")]
    times = [float(one) for one in moves.get("keyTimes").split(";")]
    assert places[0] == (0, 0)
    assert places[1][0] > 0 == places[1][1]
    assert places[2][0] == places[1][0]
    assert places[2][1] > 0
    assert places[3] == places[2]
    assert len(times) == len(places)
    assert times == sorted(times)
    assert (times[0], times[-1]) == (0, 1)


def test_every_wall_between_two_posts_is_drawn_once():
    walls = next(drawn([0]).iter(f"{SVG}path")).get("d")
    # The outline has eight, and there are two within: below the first room, and between the lower ones.
    assert walls.count("M") == len({*walls.split("M")[1:]}) == 10


def test_it_is_said_how_far_the_agent_came():
    assert "reaches the goal in 2 steps; the shortest way takes 2" in drawn([0, 1, 3]).find(f"{SVG}desc").text
    assert "does not reach the goal in 1 steps" in drawn([0, 0]).find(f"{SVG}desc").text


def test_a_title_is_text_and_nothing_else():
    assert drawn([0, 1], "<script>alert(1)</script>").find(f"{SVG}title").text == "<script>alert(1)</script>"
    assert list(drawn([0, 1], "<script>").iter(f"{SVG}script")) == []
