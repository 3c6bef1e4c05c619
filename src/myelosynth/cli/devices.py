"""The options --device and --threads."""

from typing import TYPE_CHECKING, Annotated

import typer

from myelosynth.errors import InputError

if TYPE_CHECKING:
    import torch

Threads = Annotated[int, typer.Option(min=1, help="CPU threads; the result may depend on their number in the last bit")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda; auto takes CUDA where there is one")]


def torch_device(name: str, threads: int | None = None) -> "torch.device":
    """The torch device of an option; CPU threads are set where given. Raises InputError for CUDA that is not there."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise InputError("unknown device", "--device", f"got {name!r}", "choose auto, cpu or cuda")
    if threads is not None:
        torch.set_num_threads(threads)
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("no CUDA device", "--device", "got cuda, torch finds none", "use --device cpu or auto")
    return torch.device("cuda" if available and name != "cpu" else "cpu")
