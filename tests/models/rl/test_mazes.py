import itertools

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from lepton_nb.errors import UsageError
from lepton_nb.models.rl.environments import environment
from lepton_nb.models.rl.layouts import ACTIONS, distances, layouts, neighbours, planes, shortest_way, walked
from lepton_nb.models.rl.maze import Maze
from lepton_nb.models.rl.mazes import GOAL_REWARD, STEP_REWARD, Mazes, limit_of


def reached(maze, start):
    """Rooms that can be walked to, by a search that knows nothing of the one that is tested."""
    beside, found, waiting = neighbours(maze.height, maze.width), {start: 0}, [start]
    for room in waiting:
        for side in range(4):
            there = int(beside[room, side])
            if maze.passages[0, room, side] and there not in found:
                found[there] = found[room] + 1
                waiting.append(there)
    return found


@pytest.mark.parametrize(("height", "width"), [(2, 2), (3, 7), (8, 8)])
def test_a_perfect_maze_has_one_way_between_any_two_rooms(height, width):
    made = layouts(range(20), height, width, 0.0)
    for number in range(20):
        one = made.at([number])
        assert len(reached(one, 0)) == height * width
        # A graph that is connected and has one edge less than rooms is a tree.
        assert one.passages.sum() == 2 * (height * width - 1)


def test_a_way_leads_back_too():
    made, beside = layouts(range(5), 6, 5, 0.3), neighbours(6, 5)
    for number, room, side in itertools.product(range(5), range(30), range(4)):
        if made.passages[number, room, side]:
            assert made.passages[number, beside[room, side], (side + 2) % 4]


def test_a_seed_gives_the_same_maze_alone_and_among_others():
    many = layouts(range(50), 8, 8, 0.1)
    alone = layouts([31], 8, 8, 0.1)
    assert (alone.passages[0] == many.passages[31]).all()
    assert (alone.starts[0], alone.goals[0]) == (many.starts[31], many.goals[31])
    assert len({one.tobytes() for one in many.passages}) == 50


@pytest.mark.parametrize(("removed", "low", "high"), [(0.0, 0, 0), (0.3, 0.2, 0.4), (1.0, 1, 1)])
def test_the_share_of_walls_that_was_asked_for_is_taken_out(removed, low, high):
    made = layouts(range(100), 8, 8, removed)
    inner, tree = 2 * 8 * 7, 63
    share = (made.passages.sum() / 2 / 100 - tree) / (inner - tree)
    assert low <= share <= high


def test_start_and_goal_are_different_rooms_in_the_smallest_maze():
    made = layouts(range(200), 2, 2, 0.5)
    assert (made.starts != made.goals).all()
    assert {*made.starts} == {*made.goals} == {0, 1, 2, 3}


def test_the_shortest_ways_are_those_of_a_plain_search():
    made = layouts(range(30), 7, 6, 0.2)
    found = distances(made)
    for number in range(30):
        one = made.at([number])
        theirs = reached(one, int(one.goals[0]))
        assert {room: int(found[number, room]) for room in theirs} == theirs
        way = shortest_way(one)
        assert (way[0], way[-1], len(way) - 1) == (one.starts[0], one.goals[0], theirs[int(one.starts[0])])


def test_the_planes_show_walls_agent_and_goal_where_they_are():
    made = layouts([3], 4, 5, 0.1)
    walls, agent, goal = planes(made)[0]
    assert walls.shape == (9, 11)
    assert walls[0].all()
    assert walls[-1].all()
    assert walls[:, 0].all()
    assert walls[:, -1].all()
    for room, side in itertools.product(range(20), range(4)):
        row, column = 2 * (room // 5) + 1, 2 * (room % 5) + 1
        there = (row + (-1, 0, 1, 0)[side], column + (0, 1, 0, -1)[side])
        assert walls[there] == (not made.passages[0, room, side])
    for plane, room in ((agent, made.starts[0]), (goal, made.goals[0])):
        assert plane.sum() == 1
        assert plane[2 * (room // 5) + 1, 2 * (room % 5) + 1] == 1


def worlds(count=3, seeds=(1, 2, 3), size=(4, 4), removed=0.1):
    return Mazes(count, *size, removed, seeds=seeds, rng=np.random.default_rng(0))


def along(maze):
    """The actions of a shortest way."""
    beside, way = neighbours(maze.height, maze.width), shortest_way(maze)
    return [int(np.flatnonzero(beside[a] == b)[0]) for a, b in itertools.pairwise(way)]


def test_whoever_walks_the_shortest_way_is_paid_and_gets_another_maze():
    made = layouts([5], 4, 4, 0.1)
    mazes = worlds(1, [5])
    first = mazes.reset()
    actions = along(made)
    assert mazes.shortest() == [len(actions)]
    for place, action in enumerate(actions):
        stepped = mazes.step(np.array([action]))
        is_last = place == len(actions) - 1
        assert stepped.terminated[0] == is_last
        assert not stepped.truncated[0]
        assert stepped.rewards[0] == pytest.approx(STEP_REWARD + is_last * GOAL_REWARD)
    # The last observation has the agent on the goal, and the next one is of another maze.
    assert (stepped.after[0, 1] == stepped.after[0, 2]).all()
    assert (stepped.observations[0, 0] != first[0, 0]).any()


def test_towards_a_wall_the_agent_stays_and_the_time_runs_out():
    mazes = worlds()
    seen = mazes.reset()
    into = np.array([np.flatnonzero(~mazes._passages[one, mazes._agents[one]])[0] for one in range(3)])
    for step in range(limit_of(4, 4)):
        stepped = mazes.step(into)
        assert (stepped.after == seen).all()
        assert stepped.truncated.all() == (step == limit_of(4, 4) - 1)
    assert not stepped.terminated.any()


def test_what_was_given_before_does_not_change_with_the_next_step():
    mazes = worlds()
    first = mazes.reset()
    kept = first.copy()
    for _ in range(20):
        mazes.step(np.random.default_rng(1).integers(4, size=3))
    assert (first == kept).all()


def test_a_walk_is_told_room_by_room():
    made = layouts([9], 5, 5, 0.1)
    walls, way, shortest = walked((5, 5, 0.1), 9, along(made))
    assert way == shortest == shortest_way(made)
    assert walls.shape == (11, 11)
    blocked = int(np.flatnonzero(~made.passages[0, made.starts[0]])[0])
    assert walked((5, 5, 0.1), 9, [blocked])[1] == [made.starts[0]] * 2


def test_the_maze_is_an_environment_of_gymnasium():
    maze = Maze(3, 4)
    check_env(maze, skip_render_check=True)
    assert maze.observation_space.shape == environment("maze:3x4").feature_shape
    seen, info = maze.reset(seed=7)
    again, _ = Maze(3, 4).reset(seed=7)
    assert (seen == again).all()
    actions = along(layouts([7], 3, 4, 0.1))
    assert info == {"shortest": len(actions)}
    for action in actions:
        *_, terminated, truncated, _ = maze.step(action)
    assert terminated
    assert not truncated
    assert isinstance(maze, gymnasium.Env)
    assert maze.actions == ACTIONS


def test_the_maze_is_drawn_as_text():
    maze = Maze(2, 2)
    maze.reset(seed=1)
    text = maze.render()
    assert text.count("A") == text.count("G") == 1
    assert [len(line) for line in text.splitlines()] == [5] * 5


@pytest.mark.parametrize("name", ["maze:8", "maze:1x4", "maze:8x65", "maze:8x8:2", "maze:8x8:", "maze:axb"])
def test_a_maze_that_cannot_be_is_refused_with_what_can(name):
    with pytest.raises(UsageError, match=r"is no maze; expected maze:HEIGHTxWIDTH of 2 to 64"):
        environment(name)
