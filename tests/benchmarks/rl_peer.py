"""Stable-Baselines3's DQN on CartPole-v1 with rl-zoo's tuned settings: run by bench_rl.py in an environment of its own.

python rl_peer.py learn SEED: train until the mean return of 100 episodes is 475; {"seconds": x, "steps": n,
"reached": bool}, without the time that the episodes of evaluation took.
python rl_peer.py steps SEED COUNT: {"seconds": x, "steps": n} of COUNT steps with their gradient steps.
"""

from __future__ import annotations

import json
import sys
import time

import gymnasium
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

# hyperparams/dqn.yml of rl-baselines3-zoo, CartPole-v1; 50,000 steps.
TUNED = {
    "learning_rate": 2.3e-3,
    "batch_size": 64,
    "buffer_size": 100_000,
    "learning_starts": 1000,
    "gamma": 0.99,
    "target_update_interval": 10,
    "train_freq": 256,
    "gradient_steps": 128,
    "exploration_fraction": 0.16,
    "exploration_final_eps": 0.04,
    "policy_kwargs": {"net_arch": [256, 256]},
}
STEPS, EVERY, ENOUGH = 50_000, 2560, 475


class Enough(BaseCallback):
    """Ends the training when the returns are high enough; ten episodes are asked before a hundred are."""

    def __init__(self) -> None:
        super().__init__()
        self.spent, self.reached = 0.0, False
        self.place = Monitor(gymnasium.make("CartPole-v1"))
        self.place.reset(seed=2**31 - 1)

    def _on_step(self) -> bool:
        if self.num_timesteps % EVERY == 0 and self.num_timesteps > 1000:
            began = time.perf_counter()
            for count in (10, 100):
                mean, _ = evaluate_policy(self.model, self.place, count, deterministic=True)
                self.reached = mean >= ENOUGH
                if not self.reached:
                    break
            self.spent += time.perf_counter() - began
        return not self.reached


def main() -> None:
    """Do one of the two, and print."""
    torch.set_num_threads(1)
    what, seed = sys.argv[1], int(sys.argv[2])
    model = DQN("MlpPolicy", "CartPole-v1", seed=seed, device="cpu", **TUNED)
    began = time.perf_counter()
    if what == "steps":
        model.learn(int(sys.argv[3]))
        print(json.dumps({"seconds": time.perf_counter() - began, "steps": model.num_timesteps}))
        return
    enough = Enough()
    model.learn(STEPS, callback=enough)
    seconds = time.perf_counter() - began - enough.spent
    print(json.dumps({"seconds": seconds, "steps": model.num_timesteps, "reached": bool(enough.reached)}))


if __name__ == "__main__":
    main()
