"""What can go wrong with encrypted data. No message ever holds data, keys or ciphertext."""

from __future__ import annotations

from apps.core.errors import Refusal


class Unreadable(Exception):
    """A sealed value does not open: altered, cut short, moved from another place, or of an unknown key.

    The causes are not told apart for the caller, and nothing is ever returned in its stead. It is
    not a refusal: no request can cause it, only damage to the stored data or a lost key.
    """


class KeysUnavailable(Exception):
    """The key provider cannot be used now; the message says why and what to do."""


class KeyDestroyed(Refusal):
    """The person whose key this was has been erased; what was sealed under it is gone for good."""

    code = "subject_erased"
    status = 410
    title = "The personal data of this subject has been erased."


class BadContext(ValueError):
    """A part of the place a value is sealed for is missing or of the wrong type: a programmer's error."""
