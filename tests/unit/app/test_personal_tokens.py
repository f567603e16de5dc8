"""Tokens of personal values: what goes in comes out, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.privacy.cipher import Key, KeyLocked, MasterKeys, Unreadable, decoded, encoded
from domain.personal import TOKEN, PersonalText

TEXTS = st.text(min_size=1, max_size=200).filter(lambda text: text.isprintable())
KEY, OTHER = Key.new(), Key.new()
MASTER, NEW_MASTER = b"m" * 32, b"n" * 32


def ciphertext(token: str) -> str:
    found = TOKEN.fullmatch(token)
    assert found is not None
    return found[2]


@given(text=TEXTS)
def test_a_token_opens_to_its_text(text: str) -> None:
    token = KEY.seal(text)

    assert PersonalText(token).is_token
    assert text not in token or len(text) < 4
    assert KEY.open(ciphertext(token)) == text


@given(text=TEXTS)
def test_the_same_text_of_the_same_person_is_the_same_token(text: str) -> None:
    assert KEY.seal(text) == KEY.seal(text)
    assert KEY.seal(text) != OTHER.seal(text)


@given(text=TEXTS)
def test_another_key_opens_nothing(text: str) -> None:
    with pytest.raises(Unreadable):
        OTHER.open(ciphertext(KEY.seal(text)))


@given(text=TEXTS, place=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_one_changed_bit_makes_it_unreadable(text: str, place: int, bit: int) -> None:
    changed = bytearray(decoded(ciphertext(KEY.seal(text))))
    changed[place % len(changed)] ^= 1 << bit

    with pytest.raises(Unreadable):
        KEY.open(encoded(bytes(changed)))


@given(junk=st.text("abcXYZ019_-", min_size=1, max_size=60))
def test_whatever_else_looks_like_a_ciphertext_is_unreadable(junk: str) -> None:
    with pytest.raises(Unreadable):
        KEY.open(junk)


@pytest.mark.parametrize("masters", [MasterKeys(), MasterKeys([MASTER]), MasterKeys([NEW_MASTER, MASTER])])
def test_a_wrapped_key_unwraps(masters: MasterKeys) -> None:
    kept, master = masters.wrap(KEY)

    assert masters.unwrap(KEY.key_id, kept, master) == KEY
    assert (KEY.secret in kept) == (master is None)


def test_a_key_that_was_kept_before_there_was_a_master_key_unwraps() -> None:
    kept, master = MasterKeys().wrap(KEY)

    assert MasterKeys([MASTER]).unwrap(KEY.key_id, kept, master) == KEY


def test_another_master_key_another_place_or_a_changed_byte_unwraps_nothing() -> None:
    kept, master = MasterKeys([MASTER]).wrap(KEY)

    for masters in (MasterKeys(), MasterKeys([NEW_MASTER])):
        with pytest.raises(KeyLocked, match="is not set"):
            masters.unwrap(KEY.key_id, kept, master)
    for key_id, changed in ((OTHER.key_id, kept), (KEY.key_id, kept[:-1] + bytes([kept[-1] ^ 1]))):
        with pytest.raises(KeyLocked, match="was changed"):
            MasterKeys([MASTER]).unwrap(key_id, changed, master)


def test_secrets_are_in_no_repr() -> None:
    assert repr(KEY.secret) not in repr(KEY)
    assert repr(MASTER) not in repr(MasterKeys([MASTER]))
