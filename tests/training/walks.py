"""An environment as a notebook has it."""

import gymnasium


class Walk(gymnasium.Env):
    """Five places in a row; the right end is the goal."""

    actions = ("back", "on")

    def __init__(self):
        self.observation_space = gymnasium.spaces.Discrete(5)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.place = self.steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.steps = 0
        return self.place, {}

    def step(self, action):
        self.place = max(0, self.place + (1 if action else -1))
        self.steps += 1
        return self.place, float(self.place == 4), self.place == 4, self.steps >= 20, {}
