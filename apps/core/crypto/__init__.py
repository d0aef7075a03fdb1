"""Envelope encryption for personal data. The rules import no Django; `fields`, `models`, `store` do.

`README.md` beside this file explains the keys, the words and the threats.
"""
