"""An agent that learns what each action is worth. This module imports torch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .environments import environment as described
from .experience import Experience, Greedy
from .settings import AGENT_OPTIONS, defaults
from .values import MLPValues, PlannerValues
from .written import Written

__all__ = ["DQN"]

# From observations [B, ...] to values [B, actions].
Values = Callable[[Tensor], Tensor]


class DQN(pl.LightningModule):
    """Deep Q-learning (Mnih et al., doi:10.1038/nature14236) from many environments that step together.

    Double (arXiv:1509.06461), with a duelling head (arXiv:1511.06581), returns of n steps and replay by priority
    (arXiv:1511.05952), each by an option. `forward` gives the values of the actions: what is packaged takes an
    observation and answers with the action of the highest value; its probabilities are a softmax of the values, so that
    their order says something and their size does not.

    A step is a gradient step; for each, `train_every` steps of environments are taken. An epoch is `epoch_steps` of
    them, and then `episodes` episodes that were never trained on are played without exploring. Logs `train_loss`
    (Huber, per transition), `train_return` (of the episodes that ended in the epoch, with exploring), `epsilon`,
    `env_steps`, `val_return` and, where it can be told, `val_solved`.

    A run that goes on has its weights, the target network, the optimizer, epsilon and its steps as they were; what it
    remembered is filled anew, so it does not draw the very same batches.

    Options that are None have a value by the kind of the observations; `settings.defaults` tells them.

    Args:
        feature_shape: shape of an observation.
        classes: number of actions.
        environment: name of the environment, or what `environment` makes one of.
        network: `mlp`, `planner` (for the planes of a grid), or `auto`: planner for a maze.
        hidden: widths of the hidden layers; of a planner one, of what it says of a room.
        channels: values of a room, of a planner.
        sweeps: of a planner; each looks one to four steps further ahead.
        lr: Adam's learning rate.
        gamma: what a reward of the next step counts.
        double: whether the network chooses the action whose value the target network tells.
        duelling: whether an mlp tells the value of the state and the advantages of the actions apart.
        prioritised: whether what was wrong is drawn more often.
        n_step: rewards that are summed up before a value is asked for.
        batch: transitions of a gradient step.
        envs: environments that step together.
        train_every: steps of environments, of all together, for each gradient step.
        buffer: transitions that are remembered.
        warmup: steps before the first gradient step.
        target_every: gradient steps after which the target network becomes as the network is.
        epsilon_end: share of actions that are drawn at random in the end; it falls from 1 on in a line.
        epsilon_steps: gradient steps until then.
        epoch_steps: gradient steps of an epoch.
        episodes: episodes of a validation.
        enough: a mean return of validation that ends the training; None for no such end.
    """

    def __init__(  # noqa: PLR0913 -- one argument for each thing that a person may ask of an agent
        self,
        feature_shape: Sequence[int],
        classes: int,
        *,
        environment: Any,
        network: str = "auto",
        hidden: Sequence[int] | None = None,
        channels: int | None = None,
        sweeps: int | None = None,
        lr: float | None = None,
        gamma: float | None = None,
        double: bool | None = None,
        duelling: bool | None = None,
        prioritised: bool | None = None,
        n_step: int | None = None,
        batch: int | None = None,
        envs: int | None = None,
        train_every: float | None = None,
        buffer: int | None = None,
        warmup: int | None = None,
        target_every: int | None = None,
        epsilon_end: float | None = None,
        epsilon_steps: int | None = None,
        epoch_steps: int | None = None,
        episodes: int | None = None,
        enough: float | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in AGENT_OPTIONS and name != "environment"}
        super().__init__()
        self.environment = described(environment)
        shape = tuple(feature_shape)
        self.settings = settings = defaults(shape, given, self.environment.actions)
        self.network: nn.Module = (
            PlannerValues(shape[0], settings["channels"], settings["hidden"][0], settings["sweeps"])
            if settings["network"] == "planner"
            else MLPValues(shape, classes, settings["hidden"], duelling=bool(settings["duelling"]))
        )
        self.lr = float(settings["lr"])
        self.learned = 0
        # Not as a part of the network: it is not shipped, and nothing of it is learned.
        self._target = [copy.deepcopy(self.network).requires_grad_(False)]
        # The network and the target network while gradients are written out, and those of the step that is done.
        self._written: tuple[Written, Written] | None = None
        self._gradients: list[Tensor] | None = None
        self._experience: Experience | None = None
        self._greedy = Greedy(self)
        self._loss, self._losses = torch.zeros(()), 0

    # ---- what it says

    def forward(self, observation: Tensor) -> Tensor:
        """The value of each action: float32 `[N, *feature_shape]` to float32 `[N, actions]`."""
        values: Tensor = self.network(observation)
        return values

    def best(self, observations: NDArray[Any]) -> NDArray[np.int64]:
        """The actions that it thinks best, int64 [N]."""
        with torch.no_grad():
            seen = torch.from_numpy(np.ascontiguousarray(observations)).to(self.device, torch.float32)
            chosen: NDArray[np.int64] = self.network(seen).argmax(dim=1).cpu().numpy()
        return chosen

    @property
    def action_names(self) -> tuple[str, ...]:
        """What its answers stand for."""
        return self.environment.actions

    @property
    def epsilon(self) -> float:
        """Share of the actions that are drawn at random now."""
        return 1 + self._share * (float(self.settings["epsilon_end"]) - 1)

    @property
    def beta(self) -> float:
        """How far weights make up for drawing by priority now: from 0.4 to 1 as epsilon falls."""
        return 0.4 + 0.6 * self._share

    @property
    def _share(self) -> float:
        """How much of the time in which epsilon falls is over."""
        return min(1.0, float(self.learned / self.settings["epsilon_steps"]))

    # ---- what it is fed with

    def train_dataloader(self) -> Experience:
        """Batches of what it has seen."""
        most = self.trainer.max_steps
        per_epoch = int(self.settings["epoch_steps"])
        self._experience = Experience(self, min(per_epoch, most) if most > 0 else per_epoch)
        return self._experience

    def val_dataloader(self) -> Greedy:
        """Episodes that it was never trained on."""
        return self._greedy

    # ---- how it learns

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """The Huber loss of a batch, against what the target network says of what came after."""
        seen, actions, rewards, after, discounts, weights, places = batch
        if self.learned % self.settings["target_every"] == 0:
            self._follow()
        # Not by `+=`: `nn.Module.__setattr__` looks at each value as if it were a parameter.
        vars(self)["learned"] += 1
        counted = weights if self.settings["prioritised"] else None
        is_learned = torch.is_grad_enabled()
        if self._written is not None and is_learned and self._is_written_out(self._written[0]):
            ours, theirs = self._written
            with torch.no_grad():
                aims = self._aims(ours.values, theirs.values, (rewards, after, discounts))
                loss, errors, vars(self)["_gradients"] = ours.learned(seen, actions, aims, counted)
        else:
            if is_learned:
                vars(self)["_gradients"] = None
            with torch.no_grad():
                aims = self._aims(self.network, self._target[0], (rewards, after, discounts))
            errors = self(seen).gather(1, actions.unsqueeze(1)).squeeze(1) - aims
            losses = functional.huber_loss(errors, torch.zeros_like(errors), reduction="none")
            loss = (losses if counted is None else counted * losses).mean()
        if self._experience is not None and counted is not None:
            self._experience.judge(places, errors)
        self._loss.add_(loss.detach())
        vars(self)["_losses"] += 1
        return loss

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Have the weights take their gradients, which are written out where they can be."""
        if self._written is None or self._gradients is None:
            super().backward(loss, *args, **kwargs)
            return
        self._written[0].give(self._gradients)
        vars(self)["_gradients"] = None

    def _aims(self, ours: Values, theirs: Values, rest: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """What the values should be, float32 [B]: by the rewards, and by the target network where they led to."""
        rewards, after, discounts = rest
        told = theirs(after)
        if not self.settings["double"]:
            return rewards + discounts * told.amax(dim=1)
        return rewards + discounts * told.gather(1, ours(after).argmax(dim=1, keepdim=True)).squeeze(1)

    def _is_written_out(self, ours: Written) -> bool:
        """Whether this batch alone makes the gradients of a step, and nobody looks at how."""
        return bool(self.trainer.accumulate_grad_batches == 1 and not ours.is_watched)

    def on_fit_start(self) -> None:
        """Put what Lightning knows nothing of where the network is."""
        self._target[0].to(self.device)
        self._loss = self._loss.to(self.device)
        # Elsewhere the products are what takes the time, or somebody else has a part in the gradients.
        is_alone = (
            self.device.type == "cpu"
            and type(self.trainer.strategy).__name__ == "SingleDeviceStrategy"
            and self.trainer.precision == "32-true"
            and type(self).forward is DQN.forward
        )
        ours, theirs = Written.of(self.network, self), Written.of(self._target[0], self._target[0])
        self._written = (ours, theirs) if is_alone and ours and theirs else None

    def _follow(self) -> None:
        """Have the target network as the network is."""
        with torch.no_grad():
            for theirs, ours in zip(self._target[0].parameters(), self.network.parameters(), strict=True):
                theirs.copy_(ours)

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Nothing: the loader plays the episodes."""

    def on_validation_epoch_start(self) -> None:
        """Log what the epoch of training has come to."""
        if self._losses:
            self.log("train_loss", self._loss / self._losses)
        self._loss, self._losses = torch.zeros((), device=self.device), 0
        self.log("epsilon", self.epsilon)
        if (experience := self._experience) is not None:
            self.log("env_steps", float(experience.taken))
            if experience.ended:
                self.log("train_return", float(np.mean(experience.ended)))
            experience.ended.clear()

    def on_validation_epoch_end(self) -> None:
        """Log what the episodes have come to, and end when that is enough."""
        if (episodes := self._greedy.episodes) is None:
            return
        found = episodes.metrics()
        for name in ("return", "solved", "solved_within_twice"):
            if name in found:
                self.log(f"val_{name}", found[name])
        enough = self.settings["enough"]
        if enough is not None and found["return"] >= enough:
            self.trainer.should_stop = True

    def on_fit_end(self) -> None:
        """Let go of the environments."""
        self._written = self._gradients = None
        if self._experience is not None:
            self._experience.close()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.lr, fused=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add how far it is, and the target network."""
        checkpoint["dqn"] = {"learned": self.learned, "target": self._target[0].state_dict()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it back."""
        self.learned = int(checkpoint["dqn"]["learned"])
        self._target[0].load_state_dict(checkpoint["dqn"]["target"])
