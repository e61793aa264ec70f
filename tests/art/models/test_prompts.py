"""What a prompt contains: text through the chat template, slots, padding, and which tokens are special."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from art.errors import RecordError
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.store.problem import Problem, problem_id

IMAGE = Prefix(image=torch.zeros(3, 256, 256))
CHAT = [
    {"role": "system", "content": "Count."},
    {"role": "user", "content": "How many?"},
    {"role": "assistant", "content": "Of what?"},
    {"role": "user", "content": "Of these."},
]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"properties": {"where": {}}}}}


def question(text: str, **more: Any) -> Problem:
    return Problem(id=problem_id(text, "1", **more), question=text, answer="1", **more)


@pytest.fixture
def template(policy: Policy, monkeypatch: pytest.MonkeyPatch):
    """Replace the checkpoint's chat template by another one."""
    monkeypatch.setattr(policy.prompts, "_encoded", {})
    return lambda text: monkeypatch.setattr(policy.tokenizer, "chat_template", text)


# -- text ----------------------------------------------------------------------------------------------------------


def test_text_prefix_is_a_line_before_the_question(policy: Policy) -> None:
    one = question("How many?")
    assert "user\nbe quick\nHow many?<|im_end|>" in policy.prompts.render(one, Prefix(text="be quick"))
    assert "user\nHow many?<|im_end|>" in policy.prompts.render(one, Prefix())


def test_embeddings_stand_where_a_text_would_without_the_marks_of_an_image(policy: Policy) -> None:
    one = question("How many?")
    assert "user\n<|image_pad|>How many?<|im_end|>" in policy.prompts.render(one, Prefix(embeddings=torch.zeros(3, 64)))
    assert "user\n<|vision_start|><|image_pad|><|vision_end|>How many?<|im_end|>" in policy.prompts.render(one, IMAGE)


def test_in_a_conversation_the_prefix_stands_in_the_users_first_message(policy: Policy) -> None:
    talk = question("How many?", messages=CHAT)
    assert policy.prompts.render(talk, Prefix(text="be quick")).startswith(
        "<|im_start|>system\nCount.<|im_end|>\n<|im_start|>user\nbe quick\nHow many?<|im_end|>\n"
        "<|im_start|>assistant\nOf what?<|im_end|>\n<|im_start|>user\nOf these.<|im_end|>\n<|im_start|>assistant\n"
    )
    picture = policy.prompts.render(talk, IMAGE)
    assert picture.count(policy.prompts.image_text) == 1
    assert picture.index("Count.") < picture.index(policy.prompts.image_text) < picture.index("How many?")


def test_thinking_is_switched_off(policy: Policy, template) -> None:
    template("{{ enable_thinking }}")
    assert policy.prompts.render(question("How many?"), Prefix()) == "False"


def test_decoding_keeps_blanks_and_markup(policy: Policy) -> None:
    text = '<tool_call>\n{"a" : "b" , "c":  1 }\n</tool_call> it \'s , fine . <think>'
    ids = policy.tokenizer(text, add_special_tokens=False).input_ids
    assert policy.tokenizer.batch_decode([ids], skip_special_tokens=True) == [text]


# -- special tokens ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["<|image_pad|>", "<|im_end|>"])
@pytest.mark.parametrize("place", ["question", "messages", "tools"])
def test_a_special_token_anywhere_in_a_problem_is_refused(policy: Policy, token: str, place: str) -> None:
    bad, good = f"a {token} b", question("How many?")
    problem = {
        "question": question(bad),
        "messages": question("How many?", messages=[*CHAT, {"role": "assistant", "content": bad}]),
        "tools": question("How many?", tools=[TOOL | {"description": bad}]),
    }[place]
    wanted = f"problem {problem.id}: it holds the special token '{token}'"
    with pytest.raises(RecordError) as raised:
        policy.prompts.render(problem, Prefix())
    assert str(raised.value) == wanted
    with pytest.raises(RecordError) as raised:
        policy.prompts.check([good, good, problem, problem], Path("tasks/t/train.jsonl"))
    assert str(raised.value) == f"tasks/t/train.jsonl:3: {wanted}"


def test_markup_is_no_special_token(policy: Policy) -> None:
    marked = question("Write <tool_call> or <think>.", tools=[TOOL], messages=None)
    assert marked.question in policy.prompts.render(marked, Prefix())
    policy.prompts.check([marked], Path("train.jsonl"))


def test_a_completion_may_hold_all_tokens_but_special_ones_and_may_end(policy: Policy) -> None:
    ends = policy.tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    assert policy.end_tokens == ends and policy.end_token == ends[0]
    assert policy.ends(torch.tensor([[5, ends[0]], [ends[1], 6]])).tolist() == [[False, True], [True, False]]
    kept_out = ["<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    rows = range(max(policy.tokenizer.get_vocab().values()) + 1, 704)  # rows of the embeddings that belong to no token
    assert len(rows) > 100
    wanted = {*policy.tokenizer.convert_tokens_to_ids(kept_out), *rows}
    assert policy.forbidden_tokens == sorted(wanted)
    assert policy.forbidden.tolist() == [-torch.inf if token in wanted else 0.0 for token in range(704)]


# -- slots and padding ---------------------------------------------------------------------------------------------


def test_prompts_are_encoded_once_a_problem_and_a_shape_of_prefix(policy: Policy) -> None:
    one, two = question("How many?"), question("How few?")
    prefixes = [
        *(Prefix(), Prefix(text="a"), Prefix(text="b"), IMAGE, Prefix(image=torch.zeros(3, 288, 288))),
        *(Prefix(embeddings=torch.zeros(count, 64)) for count in (3, 64)),
    ]
    slots = [policy.prompts.slots(prefix) for prefix in prefixes]
    assert slots == [0, 0, 0, 64, 81, 3, 64]
    made = [(policy.prompts.encode(one, prefix), policy.prompts.encode(two, prefix)) for prefix in prefixes]
    lengths = [len(first[0]) for first, _ in made]
    text = lengths[0]
    assert lengths == [text, text + 2, text + 2, text + 66, text + 83, text + 3, text + 64]
    for (first, second), count in zip(made, slots, strict=True):
        assert sum(first[1]) == count and first[0] != second[0]
    assert made[1][0][0] != made[2][0][0]
    assert policy.prompts.encode(one, Prefix(image=torch.ones(3, 256, 256))) is made[3][0]


def test_a_template_without_a_place_for_the_image_is_refused(policy: Policy, template) -> None:
    template("{{ messages[0].role }}")
    one = question("How many?")
    with pytest.raises(RecordError, match=rf"problem {one.id}: 0 placeholders in its prompt, not 64$"):
        policy.prompts.encode(one, IMAGE)


def test_prompts_are_padded_on_the_left(policy: Policy) -> None:
    short, long = question("How many?"), question("How many are there in all of the boxes?")
    prefix = Prefix(embeddings=torch.zeros(2, 64))
    encoded = [policy.prompts.encode(one, prefix) for one in (short, long)]
    (few, slot, _), (many, _, _) = encoded
    gap = len(many) - len(few)
    batch = policy.prompts.batch([short, long], prefix)
    assert gap > 0
    assert batch.ids.tolist() == [[policy.tokenizer.pad_token_id] * gap + few, many]
    assert batch.attention.tolist() == [[0] * gap + [1] * len(few), [1] * len(many)]
    assert batch.slot[0].tolist() == [False] * gap + slot and batch.slot.sum(dim=1).tolist() == [2, 2]
    assert batch.positions[:, 0].tolist() == [[0] * gap + list(range(len(few)))] * 3
    assert batch.next_position.tolist() == [len(few), len(many)]


def test_behind_an_image_positions_go_on_from_its_larger_side(policy: Policy) -> None:
    one = question("How many?")
    behind = len(policy.prompts.encode(one, IMAGE)[0]) - 64 + 8  # 64 visual tokens take up 8 positions
    assert policy.prompts.batch([one], IMAGE).next_position.tolist() == [behind]
