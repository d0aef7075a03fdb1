"""Measures matching against made-up data whose truth is known."""
