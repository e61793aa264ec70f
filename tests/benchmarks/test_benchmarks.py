"""Tests the benchmarks: a small training step, what is counted and printed, and the scaled models."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer

import art.models.policy
from art.config.experiment import Config
from art.config.reading import load_config, parse_config
from art.files import read_json, read_records, write_json
from art.models.device import wait_for_gpu
from art.pictures.png import decode_png
from art.store.problem import Problem
from art.store.run_record import Machine
from benchmarks import checkpoint, chunk_size, training_step
from benchmarks.checkpoint import write_checkpoint
from benchmarks.training_step import main

ROOT = Path(__file__).parents[2]
PHASES = {"rollout", "reward", "forward", "backward", "optimiser"}


@pytest.fixture(scope="module")
def paper() -> Config:
    return load_config(ROOT / "config/paper.yaml")


@pytest.fixture
def small(paper: Config, tmp_path: Path) -> Path:
    """The paper's configuration with few and short completions, and its own image size."""
    few = {"prompts": 2, "completions": 2, "minibatches": 1, "max_new_tokens": 4}
    data = paper.model_dump(mode="json")
    write_json(tmp_path / "small.json", data | {"training": data["training"] | few})
    return tmp_path / "small.json"


@pytest.mark.parametrize(("method", "numbers"), [("art", 3 * 256 * 256), ("lora", None), ("soft_prompt", 64 * 128)])
def test_a_step_is_split_into_its_phases(small: Path, tmp_path: Path, method: str, numbers: int | None) -> None:
    main("qwen3.5-0.8b", method, small, scale=8, question=12, repeats=1, out=tmp_path / "results")
    (path,) = (tmp_path / "results").iterdir()
    record = read_json(path)
    assert path.name.endswith(f"qwen3.5-0.8b-1of8_{method}.json")
    assert set(record["seconds"]) == PHASES and all(value > 0 for value in record["seconds"].values())
    assert record["step_seconds"] == pytest.approx(sum(record["seconds"].values()))
    assert record["visual_tokens"] == 64 and record["prompt_tokens"] > 12
    assert record["completion_tokens"] == 2 * 2 * 4 and record["updates"] == 1
    assert numbers is None or record["trained_numbers"] == numbers
    assert record["peak_memory_bytes"] > 2**20 and record["device"] and record["versions"]["torch"]


def test_dimensions_are_divided_and_the_rest_stays(tmp_path: Path) -> None:
    config = AutoConfig.from_pretrained(write_checkpoint("qwen3.5-2b", tmp_path, scale=8))
    text, vision = config.text_config, config.vision_config
    assert (text.hidden_size, text.intermediate_size, text.head_dim, text.vocab_size) == (256, 768, 32, 31_040)
    assert text.layer_types == ["linear_attention"] * 3 + ["full_attention"]
    assert text.rope_parameters["mrope_section"] == [2, 1, 1]
    assert (vision.depth, vision.hidden_size, vision.intermediate_size) == (3, 128, 512)
    with safe_open(tmp_path / "model.safetensors", "pt") as weights:
        assert not any("deepstack" in name for name in weights.keys())  # noqa: SIM118 - not a mapping
    with pytest.raises(ValueError, match=r"qwen3\.5-0\.8b"):
        write_checkpoint("qwen3.5-4b", tmp_path)


@pytest.mark.parametrize(
    ("name", "scale", "text", "vision", "sections"),
    [
        ("qwen3.5-0.8b", 1, (1024, 3584, 24, 256, 128, 248_320), (12, 768, 12, 3072, 1024), [11, 11, 10]),
        ("qwen3.5-2b", 2, (1024, 3072, 12, 128, 64, 124_160), (12, 512, 8, 2048, 1024), [6, 5, 5]),
        ("qwen3.5-2b", 4, (512, 1536, 4, 64, 32, 62_080), (6, 256, 4, 1024, 512), [3, 3, 2]),  # whole blocks of four
    ],
)
def test_published_dimensions(
    tiny_checkpoint: Path, name: str, scale: int, text: tuple[int, ...], vision: tuple[int, ...], sections: list[int]
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    config = checkpoint._config(checkpoint.SHAPES[name], scale, tokenizer)
    ours, tower = config.text_config, config.vision_config
    sizes = (ours.hidden_size, ours.intermediate_size, ours.num_hidden_layers, ours.head_dim)
    assert (*sizes, ours.linear_key_head_dim, ours.vocab_size) == text and ours.linear_value_head_dim == text[4]
    assert (ours.num_attention_heads, ours.num_key_value_heads, ours.linear_num_value_heads) == (8, 2, 16)
    assert (ours.linear_num_key_heads, ours.linear_conv_kernel_dim) == (16, 4)
    rope = ours.rope_parameters
    assert rope["mrope_section"] == sections and 2 * sum(sections) == ours.head_dim * rope["partial_rotary_factor"]
    assert rope["mrope_interleaved"] and rope["rope_theta"] == 1e7
    found = (tower.depth, tower.hidden_size, tower.num_heads, tower.intermediate_size, tower.out_hidden_size)
    assert found == vision and (tower.patch_size, tower.spatial_merge_size, tower.num_position_embeddings) == (
        16,
        2,
        2304,
    )
    assert config.tie_word_embeddings and ours.tie_word_embeddings
    ids = (ours.eos_token_id, ours.pad_token_id, config.image_token_id, config.vision_start_token_id)
    tokens = ["<|im_end|>", "<|endoftext|>", "<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>"]
    assert tokenizer.convert_ids_to_tokens([*ids, config.vision_end_token_id, config.video_token_id]) == tokens


def test_a_checkpoint_is_written_at_the_scale_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(checkpoint, "write_checkpoint", lambda *values: asked.append(values))
    checkpoint.main("qwen3.5-2b", Path("out"), scale=4)
    assert asked == [("qwen3.5-2b", Path("out"), 4)]
    monkeypatch.undo()
    for scale in (0, 3, 16):
        with pytest.raises(ValueError, match=f"at 1/{scale}: allowed are qwen3.5-0.8b, qwen3.5-2b at 1, 1/2, 1/4 and"):
            write_checkpoint("qwen3.5-2b", Path("out"), scale)


class Invented:
    """A trainer whose steps take the times in ``SECONDS``; the first step is the warm-up."""

    SECONDS = tuple(
        {"rollout": rollout, "backward": backward}
        for rollout, backward in ((90.0, 90.0), (1.0, 9.0), (2.0, 2.0), (6.0, 3.0))
    )

    def __init__(self, session: Any) -> None:
        Invented.made, self.workspace = self, session.workspace
        self.clock, self.scorer = session.clock, session.scorer
        workspace = session.workspace
        self.inputs = {part: read_records(workspace.problem_file(part), Problem) for part in ("train", "validation")}
        self.levels = decode_png(workspace.seed_picture, workspace.config.image.size)
        self.policy = SimpleNamespace(
            forbidden=torch.zeros(6),
            end_tokens=torch.tensor([1, 4]),
            device=torch.device("cpu"),
            model=SimpleNamespace(dtype=torch.bfloat16),
            preprocessor=SimpleNamespace(tokens=lambda size: size // 4),
        )
        self.method = SimpleNamespace(count_parameters=lambda: 77)
        self.log: list[Any] = []

    def step(self, number: int) -> None:
        assert number == len(self.log)
        seconds = Invented.SECONDS[number]
        self.log.append(
            SimpleNamespace(seconds=seconds, prompt_tokens=300, completion_tokens=40 + number, updates=number)
        )


@pytest.fixture
def invented(paper: Config, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The record of three invented steps on a GPU."""
    for name, value in (
        ("Trainer", Invented),
        ("write_checkpoint", lambda name, folder, scale: Path("made", name, str(scale))),
        ("machine_of", lambda device: Machine("cuda (X)", 1, 2**30)),
        ("opened", lambda workspace, clock: nullcontext(SimpleNamespace(workspace=workspace, clock=clock))),
    ):
        monkeypatch.setattr(training_step, name, value)
    steps: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: steps.append(len(Invented.made.log)))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "X")
    data = paper.model_dump(mode="json") | {"seeds": [1]}
    data["methods"]["lora"] |= {"models": ["qwen3.5-2b"], "tasks": ["svamp"]}
    found = training_step.measure(parse_config(data, "test"), "qwen3.5-2b", "lora", scale=4, question=20, repeats=3)
    assert steps == [1], "the peak is that of the measured steps, without the warm-up"
    return found


def test_a_record_has_medians_of_the_steps_that_count(invented: dict[str, Any], paper: Config) -> None:
    assert invented["steps"] == list(Invented.SECONDS[1:])
    assert invented["seconds"] == {"rollout": 2.0, "backward": 3.0}
    assert invented["step_seconds"] == 9.0  # the median of 10, 4 and 9; not the sum of the medians
    assert (invented["model"], invented["scale"], invented["method"]["kind"]) == ("qwen3.5-2b", 4, "lora")
    assert not {"models", "tasks"} & set(invented["method"])
    assert invented["visual_tokens"] == paper.image.size // 4 and invented["trained_numbers"] == 77
    assert invented["prompt_tokens"] == 300 / paper.training.prompts
    assert (invented["completion_tokens"], invented["updates"]) == (43, 3)
    assert (invented["dtype"], invented["peak_memory_bytes"]) == ("bfloat16", 2**30)


def test_the_measured_steps_are_the_longest_that_there_can_be(invented: dict[str, Any], paper: Config) -> None:
    trainer = Invented.made
    config = trainer.workspace.config
    assert config.models["model"].path == "made/qwen3.5-2b/4" and list(config.methods) == ["lora"]
    assert config.training.model_copy(update={"steps": 100, "validate_every": 20}) == paper.training
    assert min(config.training.steps, config.training.validate_every) > 1000 and trainer.clock.wait is wait_for_gpu
    assert trainer.policy.forbidden.tolist() == [0, -torch.inf, 0, 0, -torch.inf, 0], "no completion ends"
    questions = [problem.question for problem in trainer.inputs["train"]]
    assert len(set(questions)) == paper.training.prompts and {len(question) for question in questions} == {20}
    assert (
        trainer.inputs["train"] == trainer.inputs["validation"]
        and 64 <= trainer.levels.min() < trainer.levels.max() <= 192
    )
    judged = [trainer.scorer.judge("", trainer.inputs["train"][0]) for _ in range(4)]
    assert [one.score for one in judged] == [0, 1, 0, 1] and [one.reward for one in judged] == [0, 1, 0, 1]


def test_a_record_is_named_after_device_model_and_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"device": "cuda (NVIDIA H100 80GB)", "step_seconds": 1.25, "peak_memory_bytes": 3 * 2**29}
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(training_step, "measure", lambda *values: asked.append(values) or found)
    for scale, name in ((1, "qwen3.5-2b_art"), (8, "qwen3.5-2b-1of8_art")):
        main("qwen3.5-2b", "art", ROOT / "config/smoke.yaml", scale, question=12, repeats=2, out=tmp_path)
        path = tmp_path / f"cuda-nvidia-h100-80gb_{name}.json"
        assert read_json(path) == found
        assert capsys.readouterr().out == f"{path}: 1.25 s a step, 1.5 GiB\n"
        assert asked.pop() == (load_config(ROOT / "config/smoke.yaml"), "qwen3.5-2b", "art", scale, 12, 2)


def test_chunk_sizes_are_compared_with_the_default_of_transformers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a clock of half a second per token of a chunk, four times that for chunks of 16, and a slow first pass."""
    now, passes, images = 0.0, 0, []

    def clock() -> float:
        nonlocal now, passes
        chunk = art.models.policy.CHUNK
        now += 0.5 * chunk * (10 if passes < 2 else 1) * (4 if chunk == 16 else 1) if passes % 2 else 0.0
        passes += 1
        return now

    class Model:
        def __init__(self, folder: Path) -> None:
            assert folder.is_relative_to("checkpoints")

        def prefill(self, asked: list[Problem], prefix: Any) -> Any:
            assert prefix.image.requires_grad and len(asked) == 16
            images.append(prefix.image)
            return SimpleNamespace(rows=lambda rows: prefix.image)

        def logprobs(self, image: torch.Tensor, tokens: Any, mask: Any, temperature: float) -> torch.Tensor:
            return 0.0 * image.sum() + torch.tensor([0.0, art.models.policy.CHUNK / 1000])

    monkeypatch.setattr(art.models.policy, "CHUNK", 32)
    monkeypatch.setattr(chunk_size, "Policy", Model)
    monkeypatch.setattr(chunk_size, "sample", lambda *_: SimpleNamespace(tokens=None, mask=None))
    monkeypatch.setattr(chunk_size, "time", SimpleNamespace(perf_counter=clock))
    chunk_size.main()
    assert len(images) == 7 * 3 and images[0].grad is not None, "the measured time includes the gradient"
    assert capsys.readouterr().out.splitlines() == [
        "chunk  64: 32.00 s, 1.00 times as fast as 64, log-probabilities differ by at most 0.0e+00 nats",
        "chunk  32: 16.00 s, 2.00 times as fast as 64, log-probabilities differ by at most 3.2e-02 nats",
        "chunk  16: 32.00 s, 1.00 times as fast as 64, log-probabilities differ by at most 4.8e-02 nats",
    ]
