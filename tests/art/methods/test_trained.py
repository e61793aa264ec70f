"""The trained methods: their initialisation, the files they save, and that loading gives back what was saved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_world import World

from art.config.methods import METHOD_SECTIONS, TRAINED_KINDS
from art.config.registry import implementation
from art.methods.base import Initialisation, TrainedMethod, detached
from art.methods.image import Image
from art.models.artifact_loader import load_adapter_rank, load_prefix, overlay_adapter
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.pictures.logits import levels_to_tensor, logits_of
from art.pictures.png import decode_png, distance
from art.store.artifact import Artifact, read_artifact
from art.store.workspace import Workspace
from art.tasks.generated.problems import problems

PROBLEMS = problems("arithmetic", "test", 2, 0)


def made(world: World, policy: Policy, method: str, seed: int = 0, **changes: object) -> TrainedMethod:
    section = world.config().methods[method].model_copy(update=changes)
    picture = decode_png(world.results / "seeds/arithmetic.png", 64)
    return implementation(section.implementation)(policy, Initialisation(seed, picture, section))


def disturbed(method: TrainedMethod, scale: float) -> TrainedMethod:
    """The method with random changes of its parameters, as after some training."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in method.parameters().values():
            parameter += torch.randn(parameter.shape, generator=generator) * scale
        method.constrain()
    return method


def last_hidden(policy: Policy, prefix: Prefix) -> torch.Tensor:
    with torch.no_grad():
        return policy.prefill(PROBLEMS, prefix).hidden


def save(world: World, method: TrainedMethod, name: str) -> Workspace:
    workspace = Workspace(world.config(), world.key(name), world.results)
    workspace.folder.mkdir(parents=True)
    method.save(workspace.artifact)
    return workspace


def test_every_kind_of_trained_method_has_a_class(world: World) -> None:
    assert {section.kind for section in world.config().methods.values()} > set(TRAINED_KINDS)
    for kind in TRAINED_KINDS:
        assert issubclass(implementation(METHOD_SECTIONS[kind].implementation), TrainedMethod)


def test_a_prefix_for_sampling_is_the_same_without_gradients() -> None:
    given = Prefix(torch.ones(2, requires_grad=True), "text", torch.zeros(3, requires_grad=True))
    free = detached(given)
    assert torch.equal(free.image, given.image) and not free.image.requires_grad
    assert torch.equal(free.embeddings, given.embeddings) and not free.embeddings.requires_grad
    assert free.text == "text" and detached(Prefix()) == Prefix()


def test_a_method_without_an_adapter_writes_none(world: World, tiny_policy: Policy, tmp_path: Path) -> None:
    method = made(world, tiny_policy, "soft_prompt")
    assert method.adapter_rank is None and method.picture() is None and method.detail() == {}
    with pytest.raises(NotImplementedError, match="SoftPrompt has no adapter"):
        method.write_adapter(tmp_path)


# -- art -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["art", "art_pixel", "art_bound5"])
def test_art_starts_as_the_seed_picture(world: World, tiny_policy: Policy, name: str) -> None:
    method = made(world, tiny_policy, name)
    seed = decode_png(world.results / "seeds/arithmetic.png", 64)
    assert np.array_equal(method.picture(), seed)
    assert torch.equal(method.prefix().image, levels_to_tensor(seed))
    assert method.detail()["distance_max"] == 0


def test_grey_start_is_nearly_grey_and_follows_the_seed(world: World, tiny_policy: Policy) -> None:
    seed_picture = decode_png(world.results / "seeds/arithmetic.png", 64)
    method = made(world, tiny_policy, "art", start="grey")
    picture = method.picture()
    assert picture[0, :2].tolist() == [[126, 128, 131], [132, 133, 122]], "the same in every version"
    assert method.detail()["distance_max"] == distance(picture, seed_picture).maximum > 6
    assert picture.min() >= 122 and picture.max() <= 134 and picture.std() > 1
    assert np.array_equal(made(world, tiny_policy, "art_pixel", start="grey").picture(), picture)
    assert not np.array_equal(made(world, tiny_policy, "art", seed=1, start="grey").picture(), picture)
    for name in ("art_bound5", "art_pixel_bound5"):
        assert distance(made(world, tiny_policy, name, start="grey").picture(), seed_picture).maximum == 5


def test_details_are_of_the_picture_against_the_seed_picture(world: World, tiny_policy: Policy) -> None:
    seed = np.full((64, 64, 3), 128, dtype=np.uint8)
    for row, level in enumerate((3, 4, 251, 252)):  # the first and the last are saturated
        seed[row * 8 : row * 8 + 8] = level
    section = world.config().methods["art_pixel"]
    method = Image(tiny_policy, Initialisation(0, seed, section))
    assert method.detail() == {"distance_max": 0, "distance_mean": 0, "saturated": 16 / 64}
    picture = seed.copy()
    picture[48:] += 10  # a quarter of the rows
    picture[40:48] = 0
    picture[40:48, :32] = 255
    with torch.no_grad():
        method.offset += logits_of(levels_to_tensor(picture)) - method.origin
    assert np.array_equal(method.picture(), picture)
    detail = method.detail()
    assert (detail["distance_max"], detail["saturated"]) == (128, 24 / 64)
    assert detail["distance_mean"] == 10 / 4 + (128 + 127) / 2 / 8
    mean_square = 10**2 / 4 + (128**2 + 127**2) / 2 / 8
    assert detail["psnr"] == pytest.approx(10 * np.log10(255**2 / mean_square))


@pytest.mark.parametrize(
    ("name", "scale"), [("art_bound5", 3.0), ("art_pixel_bound5", 3.0), ("art_pixel_bound5", 0.02)]
)
def test_the_bound_holds_exactly_in_the_saved_png(world: World, tiny_policy: Policy, name: str, scale: float) -> None:
    workspace = save(world, disturbed(made(world, tiny_policy, name), scale), name)
    apart = distance(
        decode_png(workspace.artifact / "image.png", 64), decode_png(world.results / "seeds/arithmetic.png", 64)
    )
    assert apart.maximum == 5


@pytest.mark.parametrize("name", ["art_bound5", "art_pixel_bound5"])
def test_pixels_at_their_bound_come_back(world: World, tiny_policy: Policy, name: str) -> None:
    """Pixels are pushed far beyond the bound, then gradient steps lead back to the seed picture."""
    method = disturbed(made(world, tiny_policy, name), 3.0)
    seed = levels_to_tensor(decode_png(world.results / "seeds/arithmetic.png", 64))
    saturated = (method.levels() - seed).abs() == 5
    assert saturated.float().mean() > 0.8
    optimiser = torch.optim.SGD(method.parameters().values(), lr=1e-4)
    for _ in range(60):
        optimiser.zero_grad()
        (method.levels() - seed).square().sum().backward()
        optimiser.step()
        with torch.no_grad():
            method.constrain()
        assert (method.levels() - seed).abs().max() <= 5
    assert ((method.levels() - seed).abs() < 5)[saturated].float().mean() > 0.95


@pytest.mark.parametrize("name", ["art", "art_pixel", "art_bound5"])
def test_the_saved_png_is_what_the_last_forward_pass_saw(world: World, tiny_policy: Policy, name: str) -> None:
    method = disturbed(made(world, tiny_policy, name), 0.7)
    seen = method.prefix()
    workspace = save(world, method, name)
    assert sorted(path.name for path in workspace.artifact.iterdir()) == ["artifact.json", "image.png"]
    loaded = load_prefix(workspace.artifact, 64, tiny_policy)
    assert torch.equal(loaded.image, seen.image.detach())
    assert torch.equal(last_hidden(tiny_policy, loaded), last_hidden(tiny_policy, seen))
    numbers = 64 * 64 * 3 if name == "art_pixel" else 16 * 32
    expected = Artifact(kind="art", image_size=64, trained_numbers=numbers, prefix_tokens=4 + 2)
    assert read_artifact(workspace.artifact) == expected


def test_free_numbers_get_a_gradient_and_the_model_does_not(world: World, tiny_policy: Policy) -> None:
    """Pixels get their gradient through the rounding."""
    for name in ("art", "art_pixel", "soft_prompt"):
        method = made(world, tiny_policy, name)
        tiny_policy.prefill(PROBLEMS, method.prefix()).hidden.square().sum().backward()
        (free,) = method.parameters().values()
        assert free.grad is not None and (free.grad != 0).float().mean() > 0.9
    assert all(parameter.grad is None for parameter in tiny_policy.model.parameters())


# -- lora ----------------------------------------------------------------------------------------------------------


def test_lora_adapts_every_matrix_of_the_language_layers_and_nothing_else(world: World, tiny_checkpoint: Path) -> None:
    policy = Policy(tiny_checkpoint)
    before = last_hidden(policy, Prefix())
    method = made(world, policy, "lora")
    names = list(method.parameters())
    assert names and all(".language_model.layers." in name and ".lora_" in name for name in names)
    assert not [name for name in names if "visual" in name]
    # ...layers.N.GROUP.MODULE.lora_A.default.weight
    assert {name.split(".lora_")[0].rsplit(".", 1)[1] for name in names} == {
        *("q_proj", "k_proj", "v_proj", "o_proj", "in_proj_qkv", "in_proj_z", "out_proj"),
        *("gate_proj", "up_proj", "down_proj"),
    }
    torch.testing.assert_close(last_hidden(policy, Prefix()), before)  # B starts at 0
    disturbed(method, 0.2)
    assert not torch.allclose(last_hidden(policy, Prefix()), before, atol=1e-3)
    with method.base_model() as prefix:
        torch.testing.assert_close(last_hidden(policy, prefix), before)


def test_lora_comes_back_from_standard_files(world: World, tiny_checkpoint: Path) -> None:
    policy = Policy(tiny_checkpoint)
    method = disturbed(made(world, policy, "lora", alpha=5), 0.2)
    assert method.adapter_rank == 2
    trained = last_hidden(policy, Prefix())
    workspace = save(world, method, "lora")
    adapter = workspace.artifact / "adapter"
    assert {"adapter_config.json", "adapter_model.safetensors"} <= {path.name for path in adapter.iterdir()}
    settings = json.loads((adapter / "adapter_config.json").read_text())
    assert [settings[key] for key in ("peft_type", "r", "lora_alpha", "lora_dropout")] == ["LORA", 2, 5, 0]
    stored = load_file(adapter / "adapter_model.safetensors")
    numbers = sum(value.numel() for value in stored.values())
    assert read_artifact(workspace.artifact) == Artifact(kind="lora", adapter=True, trained_numbers=numbers)
    again = Policy(tiny_checkpoint)
    assert load_prefix(workspace.artifact, 64, again) == Prefix() and load_adapter_rank(workspace.artifact) == 2
    overlay_adapter(again, adapter)
    torch.testing.assert_close(last_hidden(again, Prefix()), trained, rtol=0, atol=1e-6)


def test_an_adapter_starts_from_its_seed_alone(world: World, tiny_checkpoint: Path) -> None:
    starts = []
    for number, seed in enumerate((0, 0, 1)):
        torch.manual_seed(number)  # whatever was drawn before
        values = made(world, Policy(tiny_checkpoint), "lora", seed).parameters().values()
        starts.append(torch.cat([value.detach().flatten() for value in values]))
    assert torch.equal(starts[0], starts[1]) and not torch.equal(starts[0], starts[2])


# -- soft prompt ---------------------------------------------------------------------------------------------------


def test_soft_prompt_comes_back(world: World, tiny_policy: Policy) -> None:
    method = made(world, tiny_policy, "soft_prompt")
    start = method.prefix().embeddings.detach()
    assert start.shape == (4, 64)  # as many as the image's visual tokens
    assert all((tiny_policy.token_embeddings == row).all(dim=1).any() for row in start), "embeddings of real tokens"
    disturbed(method, 0.1)
    workspace = save(world, method, "soft_prompt")
    loaded = load_prefix(workspace.artifact, 64, tiny_policy)
    assert torch.equal(loaded.embeddings, method.prefix().embeddings.detach())
    expected = Artifact(kind="soft_prompt", embeddings=True, trained_numbers=4 * 64, prefix_tokens=4)
    assert read_artifact(workspace.artifact) == expected


def test_a_soft_prompt_starts_from_ordinary_tokens_drawn_by_its_seed(
    world: World, tiny_policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = [made(world, tiny_policy, "soft_prompt", seed).prefix().embeddings for seed in (0, 0, 1)]
    assert torch.equal(starts[0], starts[1]) and not torch.equal(starts[0], starts[2])
    forbidden = torch.full_like(tiny_policy.forbidden, -torch.inf)
    forbidden[[5, 9]] = 0
    monkeypatch.setattr(tiny_policy, "forbidden", forbidden)
    start = made(world, tiny_policy, "soft_prompt").prefix().embeddings.detach()
    allowed = tiny_policy.token_embeddings[[5, 9]]
    assert len(start) == 4 and all((allowed == row).all(dim=1).any() for row in start)


def test_saving_replaces_an_older_artifact_whole(world: World, tiny_policy: Policy) -> None:
    workspace = save(world, made(world, tiny_policy, "art"), "art")
    (workspace.artifact / "litter.txt").write_text("from another time")
    made(world, tiny_policy, "art").save(workspace.artifact)
    assert sorted(path.name for path in workspace.artifact.iterdir()) == ["artifact.json", "image.png"]
    assert [path.name for path in workspace.folder.iterdir()] == ["artifact"]
    shutil.rmtree(workspace.folder)
