"""Personal data: encrypted where it comes in, decrypted where it leaves, forgotten with its key.

cipher        text <-> token with a key; a key <-> its wrapped form with the master key
keys          the table of keys: one for each person
privacy       models and texts, with whatever keys they need
calls         what other systems are sent, and what they say
forgetting    the end of a key, and the event that tells of it
"""

from app.privacy.calls import private
from app.privacy.cipher import KeyLocked, MasterKeys, MasterKeyWrong
from app.privacy.forgetting import Forgotten, forget
from app.privacy.keys import Keys
from app.privacy.privacy import NoSubject, Privacy, check_subjects

__all__ = [
    "Forgotten",
    "KeyLocked",
    "Keys",
    "MasterKeyWrong",
    "MasterKeys",
    "NoSubject",
    "Privacy",
    "check_subjects",
    "forget",
    "private",
]
