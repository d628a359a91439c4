"""The gradients of fully connected layers, written out. This module imports torch.

A gradient step of an agent is small: what autograd does around its six products takes half as long as they do.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules import module as everywhere

from .values import MLPValues

__all__ = ["Learned", "Written"]

_FEW = 32
_PARTS = (nn.Flatten, nn.Linear, nn.ReLU)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Learned(NamedTuple):
    """What a batch says.

    Args:
        loss: the mean of the transitions' losses, float32 [].
        errors: how far each value is off, float32 [B].
        gradients: of the loss, one for each weight and bias in turn.
    """

    loss: Tensor
    errors: Tensor
    gradients: list[Tensor]


class Written:
    """Linear layers with a ReLU between them, whose gradients are what autograd's are.

    Args:
        network: whose layers they are; they are not copied.
        whole: what the network is a part of, which somebody may look into as well.
    """

    def __init__(self, network: MLPValues, whole: nn.Module) -> None:
        self.layers = [one for one in (*network.body, network.head.advantages) if isinstance(one, nn.Linear)]
        self._parameters = [one for layer in self.layers for one in (layer.weight, layer.bias)]
        self._hooks = [vars(one)[name] for one in whole.modules() for name in _HOOKS]
        self._hooks += [vars(everywhere)[f"_global{name}"] for name in _HOOKS]

    @classmethod
    def of(cls, network: nn.Module, whole: nn.Module) -> Written | None:
        """The layers of a network that is a chain of linear layers as torch has them, and nothing else."""
        if type(network) is not MLPValues or network.head.state is not None:
            return None
        is_chain = all(type(one) in _PARTS for one in (*network.body, network.head.advantages))
        is_own = any("forward" in vars(one) or one._compiled_call_impl is not None for one in whole.modules())  # noqa: SLF001
        return cls(network, whole) if is_chain and not is_own else None

    @property
    def is_watched(self) -> bool:
        """Whether somebody has a hook on a layer or on a weight, which only autograd calls."""
        return any(self._hooks) or any(
            one._backward_hooks or one._post_accumulate_grad_hooks  # noqa: SLF001
            for one in self._parameters
        )

    def values(self, seen: Tensor) -> Tensor:
        """The value of each action, float32 [B, actions], of observations [B, ...]; without gradients."""
        return self._through(seen)[-1]

    def learned(self, seen: Tensor, actions: Tensor, aims: Tensor, weights: Tensor | None) -> Learned:
        """The Huber loss of the values of the actions that were chosen, and its gradients.

        Args:
            seen: observations, float32 [B, ...].
            actions: int64 [B].
            aims: what the values should be, float32 [B].
            weights: what each transition counts, float32 [B]; None is 1.
        """
        *hidden, values = self._through(seen)
        chosen = actions.unsqueeze(1)
        errors = values.gather(1, chosen).squeeze(1) - aims
        # Huber's loss is a quadratic within one and a line beyond, so its derivative is the error, cut off at one.
        slopes = errors.clamp(-1, 1)
        losses = slopes * (errors - 0.5 * slopes)
        if weights is not None:
            losses, slopes = weights * losses, weights * slopes
        slope = torch.zeros_like(values).scatter_(1, chosen, (slopes / len(actions)).unsqueeze(1))
        gradients: list[Tensor] = []
        for place in reversed(range(len(self.layers))):
            gradients += [slope.sum(0), _product(slope, hidden[place])]
            if place:
                slope = torch.ops.aten.threshold_backward(slope.mm(self.layers[place].weight), hidden[place], 0)
        return Learned(losses.mean(), errors, gradients[::-1])

    def give(self, gradients: list[Tensor]) -> None:
        """Have the weights and biases that are learned take their gradients."""
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            if parameter.requires_grad:
                parameter.grad = gradient

    def _through(self, seen: Tensor) -> list[Tensor]:
        """The inputs of each layer in turn, and the answer of the last."""
        found = [seen.flatten(1)]
        *inner, last = self.layers
        for layer in inner:
            found.append(torch.addmm(layer.bias, found[-1], layer.weight.t()).relu_())
        found.append(torch.addmm(last.bias, found[-1], last.weight.t()))
        return found


def _product(slope: Tensor, inputs: Tensor) -> Tensor:
    """The gradient of a weight, [outputs, inputs]. Of few inputs, the product is faster the other way around."""
    if inputs.shape[1] < _FEW:
        return inputs.t().mm(slope).t().contiguous()
    return slope.t().mm(inputs)
