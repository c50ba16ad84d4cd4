from spelke.training.card import write_card
from spelke.training.recipes import find_recipe
from spelke.weights.schema import to_plain

HISTORY = {
    "recipe": to_plain(find_recipe("spelke-tiny")),
    "num_scenes": 12,
    "step": 300,
    "seconds": 90.0,
    "scores": {"held_out/follow": 0.8123},
    "versions": {"torch": "2.9"},
}


def test_a_card_says_what_a_user_must_know():
    card = write_card("mine", HISTORY)
    assert card.startswith("# mine\n")
    for text in ("12 simulated scenes", "300 of 1800", "4800 pictures", "1.5 minutes", "torch 2.9"):
        assert text in card
    assert "| held_out/follow | 0.8123 |" in card
    for title in ("## Limits", "## Licence"):
        assert title in card


def test_no_scores_are_said_to_be_none():
    assert "None were measured" in write_card("mine", {**HISTORY, "scores": {}})
