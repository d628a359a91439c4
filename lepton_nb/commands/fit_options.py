"""The options that say how a network is fitted."""

from __future__ import annotations

from typing import Annotated, Literal

from .declare import Arg, Opt

__all__ = [
    "Accelerator",
    "Accumulate",
    "AllowNan",
    "Augment",
    "BatchSize",
    "Callbacks",
    "CheckpointEvery",
    "Clip",
    "Detach",
    "Devices",
    "Epochs",
    "Freeze",
    "Head",
    "LayerDecay",
    "Monitor",
    "Network",
    "NetworkArguments",
    "Patience",
    "Place",
    "Precision",
    "Rate",
    "Seed",
    "Source",
    "StartFrom",
    "Steps",
    "Target",
    "TrainerArguments",
    "UnfreezeAt",
    "Workers",
]

Network = Annotated[
    object,
    Arg("cnn, dqn, mlp, a LightningModule of this notebook, or package.module:Class.", "NET", completes="network"),
]
Source = Annotated[
    object,
    Opt(
        "Handle, hash, name, file, folder of images, SQL, data of this notebook, maze:8x8, gym:ID.",
        "DATA",
        completes="data",
    ),
]
Target = Annotated[str | None, Opt("Column to predict, when DATA is not loaded yet.", "COLUMN")]
Epochs = Annotated[int, Opt("Most epochs to train.")]
Steps = Annotated[int, Opt("Most gradient steps to train; 0 for no limit.")]
Rate = Annotated[float | None, Opt("Learning rate (default: the network's own).")]
BatchSize = Annotated[int, Opt("Rows per batch, of all devices together.")]
Seed = Annotated[int, Opt("Seed of weights and shuffling.")]
Patience = Annotated[int, Opt("Epochs without a better monitored metric before stopping; 0 never stops.")]
Monitor = Annotated[str | None, Opt("Metric that tells the best epoch (default: the validation loss).", "METRIC")]
Precision = Annotated[
    Literal["auto", "32", "64", "16-mixed", "bf16-mixed", "bf16-true"],
    Opt("Of numbers; auto: bf16-mixed on a GPU that has it."),
]
Accelerator = Annotated[Literal["auto", "cpu", "gpu"], Opt("Where to compute; auto: a GPU when there is one.")]
Devices = Annotated[int, Opt("Processes that share each batch, one GPU each where there are GPUs.")]
Place = Annotated[Literal["local", "ray"], Opt("Where to run: this machine, or the cluster of RAY_ADDRESS.")]
Workers = Annotated[int, Opt("Ray workers that share each batch, with --on ray.")]
Clip = Annotated[float, Opt("Largest norm of the gradients; 0 leaves them.")]
Accumulate = Annotated[int, Opt("Batches per step.")]
CheckpointEvery = Annotated[float, Opt("Seconds between two checkpoints.", "SECONDS")]
AllowNan = Annotated[bool, Opt("Go on when the loss is not finite.")]
StartFrom = Annotated[
    object,
    Opt(
        "Weights to begin with: a run, a .safetensors file, hf:OWNER/NAME or timm:NAME.",
        "RUN|FILE|HUB",
        "--from",
        "run",
    ),
]
Head = Annotated[str, Opt("The part that begins anew with --from (default: the last layer).", "MODULE")]
Freeze = Annotated[str, Opt("Parts that do not learn: backbone (all but the head), or modules, with commas.", "PARTS")]
UnfreezeAt = Annotated[int, Opt("Epoch at whose start they begin to learn, counted from 1; 0 for never.", "EPOCH")]
LayerDecay = Annotated[float, Opt("Factor of the learning rate from each layer to the one before it.", "FACTOR")]
Augment = Annotated[
    str,
    Opt(
        "Vary training images, with commas: flip, turn, shift=0.1, rotate=15, scale=0.1, contrast=0.2, brightness=0.2, "
        "erase=0.25, noise=0.1.",
        "WORDS",
    ),
]
Callbacks = Annotated[
    tuple[object, ...], Opt("A Lightning callback of this notebook; repeatable.", "NAME", completes="callback")
]
NetworkArguments = Annotated[tuple[str, ...], Opt("An argument of the network, as name=value; repeatable.", "K=V")]
TrainerArguments = Annotated[tuple[str, ...], Opt("An argument of Lightning's Trainer; repeatable.", "K=V")]
Detach = Annotated[bool, Opt("Return at once; lepton attach shows the run.")]
