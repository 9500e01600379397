"""Late interaction: packing and scoring."""

from __future__ import annotations

import numpy as np
import pytest

from app.embeddings import late_interaction


def vectors(count: int, seed: int = 1) -> late_interaction.Floats:
    return late_interaction.unit(np.random.default_rng(seed).normal(size=(count, 384)).astype(np.float32))


def words(count: int) -> list[str]:
    return [f"word{number}" for number in range(count)]


def test_a_passage_is_packed_into_half_as_many_vectors_of_one_byte_a_dimension() -> None:
    packed = late_interaction.pack(words(40), vectors(40))
    assert len(packed) == 5 + 20 * late_interaction.DIMS
    assert late_interaction.unpack(packed).shape == (20, late_interaction.DIMS)


def test_the_longest_passage_stays_within_its_bytes() -> None:
    assert (
        len(late_interaction.pack(words(254), vectors(254))) <= 5 + late_interaction.MAX_VECTORS * late_interaction.DIMS < 12_000 - 384 * 4
    )


def test_a_token_is_most_similar_to_itself() -> None:
    tokens = vectors(2)
    same, other = late_interaction.pack(words(2)[:1], tokens[:1]), late_interaction.pack(words(2)[:1], tokens[1:])
    best = late_interaction.best_cosines(late_interaction.question_vectors(tokens[:1]), [other, same])
    assert best[1, 0] > 0.99 > best[0, 0] + 0.3


@pytest.mark.parametrize(
    "damaged", [b"", b"LI", b"LI\x63\x01\x00" + bytes(late_interaction.DIMS), late_interaction.pack(["cache"], vectors(1))[:-1]]
)
def test_a_damaged_passage_or_one_of_another_version_scores_zero(damaged: bytes) -> None:
    assert late_interaction.best_cosines(late_interaction.question_vectors(vectors(3)), [damaged]).tolist() == [[0.0, 0.0, 0.0]]


def test_stop_words_and_punctuation_are_pruned_unless_there_is_nothing_else() -> None:
    assert late_interaction.content(["the", "pool", ",", "[UNK]", "##ed"]) == [1, 4]
    assert late_interaction.content(["the", "?"]) == [0, 1]


def test_similar_vectors_are_merged_and_others_are_not() -> None:
    first, second = vectors(2)
    assert late_interaction.clusters(np.stack([first, second, first, second]), 2).tolist() in ([0, 1, 0, 1], [1, 0, 1, 0])
    packed = late_interaction.pack(words(4), np.stack([first, second, first, second]))
    asked = late_interaction.question_vectors(np.stack([first, second]))
    assert len(late_interaction.unpack(packed)) == 2
    assert late_interaction.best_cosines(asked, [packed])[0] == pytest.approx([1.0, 1.0], abs=0.01)


def test_passages_that_share_their_tokens_are_alike_and_damaged_ones_are_not() -> None:
    tokens = vectors(6)
    one, same, half, other = (
        late_interaction.pack(words(2), tokens[[first, second]]) for first, second in [(0, 1), (1, 0), (0, 2), (3, 4)]
    )
    assert late_interaction.likeness(one, same) > late_interaction.likeness(one, half) > late_interaction.likeness(one, other)
    assert late_interaction.likeness(one, b"damaged") == 0.0


def test_a_damaged_passage_leaves_the_others_their_scores() -> None:
    tokens = vectors(2)
    packed = [late_interaction.pack(words(1), tokens[place : place + 1]) for place in range(2)]
    asked = late_interaction.question_vectors(tokens)
    assert late_interaction.best_cosines(asked, [b"", packed[0], b"LI", packed[1]])[[1, 3]] == pytest.approx(
        late_interaction.best_cosines(asked, packed)
    )


def test_passages_are_unpacked_together_as_they_are_one_by_one() -> None:
    packed = [late_interaction.pack(words(count), vectors(count, seed=count)) for count in (1, 9, 200)]
    together, counts = late_interaction.unpack_all([packed[0], b"damaged", *packed[1:]])
    assert counts == [1, 0, 5, late_interaction.MAX_VECTORS]
    assert np.array_equal(together, np.concatenate([late_interaction.unpack(each) for each in packed]))
    assert np.allclose(np.linalg.norm(together, axis=1), 1)


def test_no_passages_are_unpacked_to_no_vectors() -> None:
    vectors_of_none, counts = late_interaction.unpack_all([])
    assert (vectors_of_none.shape, counts) == ((0, late_interaction.DIMS), [])
    assert late_interaction.best_cosines(late_interaction.question_vectors(vectors(2)), []).shape == (0, 2)


def test_a_passage_without_tokens_is_packed_empty_and_scores_nothing() -> None:
    packed = late_interaction.pack([], np.zeros((0, 384), dtype=np.float32))
    assert late_interaction.unpack(packed).shape == (0, late_interaction.DIMS)
    assert late_interaction.best_cosines(late_interaction.question_vectors(vectors(2)), [packed]).tolist() == [[0.0, 0.0]]


def test_equal_tokens_of_a_long_passage_are_packed() -> None:
    packed = late_interaction.pack(["same"] * 254, np.repeat(vectors(1), 254, axis=0))
    assert len(late_interaction.unpack(packed)) == late_interaction.MAX_VECTORS
    assert late_interaction.best_cosines(late_interaction.question_vectors(vectors(1)), [packed])[0, 0] > 0.99
