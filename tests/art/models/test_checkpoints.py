"""Checkpoints: where they may be, what their files must contain, and the exact architecture of the families."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import load_file
from scaled_models import add_tensor, drop_tensor
from transformers import AutoTokenizer
from transformers.utils import logging

from art.config.reading import parse_config
from art.config.sections import ModelSection
from art.errors import ConfigError, RecordError
from art.models.families import load_policy
from art.models.hub import checkpoint_folder
from art.models.policy import Policy
from art.models.preprocessor import CheckpointError
from art.models.prompt import Prefix
from art.models.qwen3_vl import Qwen3Vl
from art.store.problem import Problem, problem_id

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def copied(section: ModelSection, tmp_path: Path) -> ModelSection:
    """A copy of the checkpoint, which tests may damage."""
    folder = tmp_path / "copy"
    shutil.copytree(section.path, folder)
    return section.model_copy(update={"path": str(folder)})


def edit(section: ModelSection, name: str, **changes: object) -> None:
    """Change keys of a JSON file of the checkpoint."""
    path = Path(section.path) / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def same_weights(one: Policy, other: Policy) -> bool:
    theirs = other.model.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.model.state_dict().items())


# -- architecture --------------------------------------------------------------------------------------------------


def test_structure_is_the_published_one(section: ModelSection, policy: Policy) -> None:
    model, text = policy.model, policy.language_model.config
    tower, first, last = model.model.visual, policy.language_model.layers[0], policy.language_model.layers[-1]
    assert model.lm_head.weight is policy.token_embeddings and text.rope_parameters["mrope_interleaved"]
    assert not any(name.startswith("lm_head") for name in load_file(Path(section.path) / "model.safetensors"))
    assert tower.pos_embed.weight.shape[0] == 48**2 and policy.preprocessor.tokens(256) == 64
    if section.family == "qwen3_5":
        assert text.layer_types == (["linear_attention"] * 3 + ["full_attention"]) * 2
        assert (
            first.linear_attn.conv_kernel_size == 4 and first.linear_attn.num_k_heads == first.linear_attn.num_v_heads
        )
        assert last.self_attn.q_proj.out_features == 2 * last.self_attn.o_proj.in_features  # half is the gate
        assert policy.language_model.rotary_emb.inv_freq.shape[0] == text.head_dim // 8  # pairs of a quarter
        assert sum(text.rope_parameters["mrope_section"]) == text.head_dim // 8
        assert not hasattr(tower, "deepstack_merger_list")
    else:
        assert len(tower.deepstack_merger_list) == 3 and not hasattr(first, "linear_attn")
        assert sum(text.rope_parameters["mrope_section"]) == text.head_dim // 2


def test_the_picture_speaks_to_deeper_layers_where_the_tower_does(section: ModelSection, policy: Policy) -> None:
    with torch.no_grad():
        seen = policy._see(torch.zeros(3, 256, 256))
    assert [tuple(level.shape) for level in seen.deeper] == [(64, 64)] * (3 if section.family == "qwen3_vl" else 0)


# -- where it lies -------------------------------------------------------------------------------------------------


def test_a_pinned_commit_is_taken_from_the_hubs_cache(
    section: ModelSection, policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    pinned = ModelSection(family=section.family, path="someone/model", revision=COMMIT, device="cpu")
    with pytest.raises(CheckpointError, match=f"someone/model at {COMMIT}"):
        load_policy(pinned)
    shutil.copytree(section.path, tmp_path / "models--someone--model/snapshots" / COMMIT)
    assert same_weights(load_policy(pinned), policy)


def test_a_repository_gives_one_commit_and_no_pickle_or_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = ["model-00001-of-00002.safetensors", "model.safetensors.index.json"]
    wanted = ["config.json", "tokenizer.json", "merges.txt", "chat_template.jinja", *weights]
    others = ["pytorch_model.bin", "model.gguf", "modeling.py", "README.md"]
    asked: list[tuple[str, str]] = []

    def download(repository: str, *, revision: str, allow_patterns: list[str]) -> str:
        asked.append((repository, revision))
        assert list(filter_repo_objects([*others, *wanted], allow_patterns=allow_patterns)) == wanted
        return str(tmp_path / "fetched")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "someone/model").mkdir(parents=True)  # not used, since a commit was asked for
    (tmp_path / "someone/model/config.json").write_text("{}")
    assert checkpoint_folder(ModelSection(path="someone/model", revision=COMMIT)) == tmp_path / "fetched"
    assert asked == [("someone/model", COMMIT)]
    assert checkpoint_folder(ModelSection(path="someone/model")) == Path("someone/model")


def test_a_failed_download_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repository: str, **_: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(CheckpointError, match=rf"^someone/model at {COMMIT}: not in the cache .*: no route to host$"):
        checkpoint_folder(ModelSection(path="someone/model", revision=COMMIT))


def test_a_folder_without_a_checkpoint_says_what_a_repository_needs(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CheckpointError, match=rf"^{path}: no checkpoint here .*config\.json.*revision"):
            checkpoint_folder(ModelSection(path=str(path)))
        with pytest.raises(CheckpointError, match=rf"^{path}: no checkpoint here .*config\.json"):
            Policy(path)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"path": "a/b", "revision": "main"}, "models.one.revision"),
        ({"path": "a/b", "revision": COMMIT[:12]}, "models.one.revision"),
        ({"path": "/a/b", "revision": COMMIT}, "models.one: path '/a/b': with a revision"),
        ({"path": "a/b", "dtype": "float16"}, "models.one.dtype"),
        ({"path": "a/b", "device": "tpu"}, "models.one.device"),
    ],
)
def test_a_section_that_cannot_be_loaded_is_refused_at_once(model: dict[str, str], message: str) -> None:
    data = {"name": "x", "seeds": [0], "models": {"one": model}, "tasks": {}, "methods": {}}
    with pytest.raises(ConfigError, match=message):
        parse_config(data, "test")


def test_the_section_says_device_and_type(section: ModelSection, monkeypatch: pytest.MonkeyPatch) -> None:
    small = load_policy(section.model_copy(update={"dtype": "bfloat16"}))
    assert {parameter.dtype for parameter in small.model.parameters()} == {torch.bfloat16}
    monkeypatch.setattr("art.models.families.device_of", lambda model: torch.device("meta"))
    elsewhere = load_policy(section)
    held = [*elsewhere.model.parameters(), elsewhere.forbidden]
    assert elsewhere.device.type == "meta" and {tensor.device.type for tensor in held} == {"meta"}
    assert elsewhere.model.dtype == torch.bfloat16  # the default everywhere but on the CPU


def test_it_is_loaded_silently_and_frozen(section: ModelSection, capfd: pytest.CaptureFixture[str]) -> None:
    logging.enable_progress_bar()
    logging.set_verbosity_info()
    policy = load_policy(section)
    assert capfd.readouterr() == ("", "")
    assert not policy.model.training
    assert not any(parameter.requires_grad for parameter in policy.model.parameters())


# -- what its files hold -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"])
def test_a_truncated_file_is_an_error_that_names_the_folder(copied: ModelSection, name: str) -> None:
    path = Path(copied.path) / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match="copy"):
        load_policy(copied)


def test_weights_in_shards_are_the_same(copied: ModelSection, policy: Policy) -> None:
    folder = Path(copied.path)
    (folder / "model.safetensors").unlink()
    policy.model.save_pretrained(folder, max_shard_size="1MB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    assert same_weights(load_policy(copied), policy)


def test_missing_weights_are_refused_and_those_of_further_heads_ignored(copied: ModelSection, policy: Policy) -> None:
    folder = Path(copied.path)
    add_tensor(folder, "mtp.fc.weight")  # published files contain a head that predicts several tokens
    assert same_weights(load_policy(copied), policy)
    drop_tensor(folder, "model.visual.patch_embed.proj.bias")
    drop_tensor(folder, "model.language_model.norm.weight")
    missing = r"model\.language_model\.norm\.weight, model\.visual\.patch_embed\.proj\.bias"
    with pytest.raises(CheckpointError, match=rf"copy: weights are missing: {missing}$"):
        load_policy(copied)


def test_weights_of_another_shape_are_refused(copied: ModelSection) -> None:
    text = json.loads((Path(copied.path) / "config.json").read_text())["text_config"]
    edit(copied, "config.json", text_config=text | {"intermediate_size": 96})
    with pytest.raises(CheckpointError, match="copy: checkpoint cannot be loaded"):
        load_policy(copied)


def test_a_pickle_is_not_opened(copied: ModelSection) -> None:
    folder = Path(copied.path)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="safetensors"):
        load_policy(copied)


def test_code_beside_the_weights_is_not_run(copied: ModelSection, policy: Policy) -> None:
    folder = Path(copied.path)
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Config: ...\nclass Model: ...\n")
    edit(copied, "config.json", auto_map={"AutoConfig": "evil.Config", "AutoModelForImageTextToText": "evil.Model"})
    assert same_weights(load_policy(copied), policy)
    assert not (folder / "ran").exists()


def test_another_family_is_refused(section: ModelSection) -> None:
    other = Qwen3Vl if section.family == "qwen3_5" else Policy
    with pytest.raises(CheckpointError, match=rf"model_type '{section.family}'; wanted '{other.model_type}'"):
        other(Path(section.path))


def test_the_tokenizers_end_comes_first_and_then_those_of_generation_config(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_checkpoint, folder)
    tiny = ModelSection(path=str(folder))
    turn = Policy(folder).tokenizer.convert_tokens_to_ids("<|im_end|>")
    for written, wanted in (([31, turn, 0], [turn, 31, 0]), (30, [turn, 30]), (None, [turn])):
        edit(tiny, "generation_config.json", eos_token_id=written)
        policy = Policy(folder)
        assert policy.end_tokens == wanted and policy.end_token == turn
    edit(tiny, "tokenizer_config.json", eos_token=None)
    with pytest.raises(CheckpointError, match=r"copy: no end token in tokenizer_config\.json or generation_config"):
        Policy(folder)
    edit(tiny, "generation_config.json", eos_token_id=[31, 30])
    assert Policy(folder).end_tokens == [31, 30]


def test_the_placeholder_of_a_visual_token_comes_from_the_files(copied: ModelSection) -> None:
    video = json.loads((Path(copied.path) / "config.json").read_text())["video_token_id"]
    edit(copied, "config.json", image_token_id=video)
    assert load_policy(copied).prompts.image_text == "<|video_pad|>"
    edit(copied, "config.json", image_token_id=700)
    with pytest.raises(CheckpointError, match="copy: the tokenizer has no image_token_id 700"):
        load_policy(copied)


def test_a_special_token_of_any_script_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_checkpoint, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["«end»"], special_tokens=True)
    tokenizer.save_pretrained(folder)
    with pytest.raises(RecordError, match="'«end»'"):
        Policy(folder).prompts.render(
            Problem(id=problem_id("a «end» b", "1"), question="a «end» b", answer="1"), Prefix()
        )
