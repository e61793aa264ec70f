"""Load a run's artifact as a prefix before the question, or as an adapter over the weights of a policy.

Only the files of the artifact are read; the method that made them does not matter.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from art.errors import RecordError
from art.files import read_json
from art.models.policy import Policy
from art.models.preprocessor import CheckpointError
from art.models.prompt import Prefix
from art.pictures.logits import levels_to_tensor
from art.pictures.png import decode_png
from art.store.artifact import ADAPTER, EMBEDDINGS, IMAGE, read_artifact


def load_prefix(folder: Path, image_size: int, policy: Policy) -> Prefix:
    """The prefix that an artifact folder holds, for this policy; an image is ``image_size`` pixels wide and high.

    Raises:
        RecordError, ImageError, CheckpointError: a file of the artifact is missing or damaged, or embeddings do not fit
            the model (named).
    """
    artifact = read_artifact(folder)
    if artifact.embeddings:
        wanted = artifact.prefix_tokens, policy.token_embeddings.shape[1]
        return Prefix(embeddings=load_embeddings(folder / EMBEDDINGS, wanted))
    if artifact.image_size is not None:
        return Prefix(image=levels_to_tensor(decode_png(folder / IMAGE, image_size)))
    return Prefix(text=artifact.text)


def load_adapter_rank(folder: Path) -> int | None:
    """Rank of the adapter in an artifact folder; None without an adapter.

    Raises:
        RecordError: a file of the artifact is missing or damaged.
    """
    if not read_artifact(folder).adapter:
        return None
    path = folder / ADAPTER / "adapter_config.json"
    rank = read_json(path).get("r")
    if not isinstance(rank, int):
        raise RecordError(f"{path}: r: {rank!r} is no rank")
    return rank


def load_embeddings(path: Path, shape: tuple[int, int]) -> Tensor:
    """Read a saved soft prompt of this shape, (tokens, hidden).

    Raises:
        CheckpointError: the file is missing or damaged, or of another shape.
    """
    try:
        embeddings = load_file(path)["embeddings"]
    except Exception as error:  # errors of safetensors and of the system
        raise CheckpointError(f"{path}: soft prompt cannot be read: {error}") from None
    if tuple(embeddings.shape) != shape:
        raise CheckpointError(
            f"{path}: soft prompt of shape {tuple(embeddings.shape)}; wanted {shape}: the tokens that artifact.json "
            "names and the model's hidden size"
        )
    return embeddings


def overlay_adapter(policy: Policy, path: Path) -> None:
    """Put the adapter in the folder ``path`` over the policy's weights.

    Raises:
        CheckpointError: the adapter is missing, damaged or does not fit.
    """
    from peft import PeftModel, get_peft_model_state_dict  # slow to import, and most runs have no adapter

    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (path / name).is_file():  # otherwise peft would look for the file on the hub
            raise CheckpointError(f"{path / name}: missing")
    try:
        adapted = PeftModel.from_pretrained(policy.model, path, use_safetensors=True).eval()
        with safe_open(path / "adapter_model.safetensors", framework="pt") as stream:
            stored = set(stream.keys())
        expected = set(get_peft_model_state_dict(adapted))
    except Exception as error:  # errors of peft, safetensors and the system
        raise CheckpointError(f"{path}: adapter cannot be read: {error}") from None
    # peft only warns of these, and the base model would be scored as the adapter's.
    faults = [
        f"{len(names)} {what}, such as {min(names)}"
        for what, names in (
            ("tensors of the model are missing", expected - stored),
            ("tensors have no place in the model", stored - expected),
        )
        if names
    ]
    if faults:
        raise CheckpointError(f"{path / 'adapter_model.safetensors'}: does not fit the model: {'; '.join(faults)}")
