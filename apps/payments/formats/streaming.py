"""Reads XML of any length in flat memory, validating it piece by piece.

libxml2 can validate while it parses, but with that option this version swallows well-formedness errors
and can crash, so a cut-off file would pass for a whole one. Here some hundred complete parts at a time
are moved into a small document of the same shape, validated there, and forgotten.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from lxml import etree

from apps.payments.formats.errors import FormatError
from apps.payments.formats.nodes import Element, line_of, local_name, namespace_of
from apps.payments.formats.xml import (
    PARSER_OPTIONS,
    STREAM_BYTES_MAX,
    Source,
    check_document_bytes,
    open_source,
    syntax_error,
)

PARTS_PER_CHECK = 500
LIVE_ELEMENTS_PER_CHECK = 100_000
LIVE_ELEMENTS_MAX = 1_500_000
"""Most elements held before some can be dropped; a forged file could otherwise grow without end."""

Check = Callable[[Element], None]


class _Window:
    """The complete parts that are still in the tree.

    The first part of a container stays, so that the order of what follows can be checked at its end; the
    one the parser has just left stays, since text may still be added behind it.
    """

    def __init__(self, *, part: str, containers: frozenset[str], check: Check | None) -> None:
        self.live = 0
        self._part, self._containers, self._check = part, containers, check
        self._parts: list[Element] = []
        self._shell: tuple[Element, Element] | None = None

    def add(self, part: Element) -> None:
        """Keep a complete part until the next check."""
        self._parts.append(part)
        if len(self._parts) >= PARTS_PER_CHECK or self.live >= LIVE_ELEMENTS_PER_CHECK:
            self._slide(self._parts[1:-1], part.getparent())
            self._parts = [self._parts[0], part] if len(self._parts) > 1 else [part]
            self.live = 0

    def close(self, container: Element) -> None:
        """Check what is left of a complete container, and the order of its children."""
        self._slide(self._parts[1:], container)
        if self._check is not None:
            document, shell = self._shell_of(container)
            whole = copy.deepcopy(container)
            whole.tail = None
            parent = shell.getparent()
            if parent is not None:
                parent.replace(shell, whole)
            self._check(document)
        self._parts, self._shell, self.live = [], None, 0

    def _slide(self, parts: list[Element], container: Element | None) -> None:
        if container is None:
            return
        if self._check is None:
            for part in parts:
                container.remove(part)
            return
        document, shell = self._shell_of(container)
        shell.extend(parts)  # an element has one parent: this moves them
        self._check(document)
        for part in parts:
            shell.remove(part)

    def _shell_of(self, container: Element) -> tuple[Element, Element]:
        """Return a document of the same shape as the one being read, and its container without parts."""
        if self._shell is None:
            try:
                self._shell = self._make_shell(container)
            except ValueError:  # a name that the parser lets pass and the library does not write
                raise FormatError("schema", "A name or namespace is not valid.", line_of(container)) from None
        return self._shell

    def _make_shell(self, container: Element) -> tuple[Element, Element]:
        body = container.getparent()
        outer = body.getparent() if body is not None else None
        if body is None or outer is None:
            raise FormatError("schema", "A statement stands outside a message.", line_of(container))
        namespaces: Any = {None: namespace_of(outer)[1:-1]} if namespace_of(outer) else None
        document = etree.Element(outer.tag, nsmap=namespaces)
        inner = etree.SubElement(document, body.tag)
        inner.extend(copy.deepcopy(child) for child in _before(body, self._containers))
        shell = etree.SubElement(inner, container.tag)
        shell.extend(copy.deepcopy(child) for child in _before(container, frozenset({self._part})))
        return document, shell


def _before(parent: Element, names: frozenset[str]) -> list[Element]:
    """Return the children before the first that has one of the names."""
    children = []
    for child in parent:
        if local_name(child) in names:
            break
        children.append(child)
    return children


def stream_elements(
    source: Source, *, part: str, containers: frozenset[str], others: frozenset[str], check: Check | None
) -> Iterator[tuple[str, Element]]:
    """Yield ("start" | "end", element) for elements with these local names, in document order.

    `part` repeats without end inside one of the `containers`; parts, and containers that others follow,
    are dropped once `check` has seen the document with them. Raises FormatError, also after elements
    were yielded: nothing is proven before the end.
    """
    check_document_bytes(source, bytes_max=STREAM_BYTES_MAX, tags_max=None)
    wanted = containers | others | {part}
    window = _Window(part=part, containers=containers, check=check)
    with open_source(source) as stream:
        events: Any = etree.iterparse(stream, events=("start", "end"), **PARSER_OPTIONS)
        try:
            for event, element in events:
                window.live += event == "start"
                if window.live > LIVE_ELEMENTS_MAX:
                    message = f"More than {LIVE_ELEMENTS_MAX} elements belong to one part of the document."
                    raise FormatError("xml_tags", message)
                name = local_name(element)
                if name not in wanted or (name == part and not _is_inside(element, containers)):
                    continue
                yield event, element
                if event == "end" and name == part:
                    window.add(element)
                elif event == "end" and name in containers:
                    window.close(element)
                    _drop_before(element, containers)
        except etree.XMLSyntaxError as error:
            raise syntax_error(error) from None
        if check is not None:
            check(_document_in(events.root))


def _is_inside(element: Element, containers: frozenset[str]) -> bool:
    """Tell whether an element is the child of a container; elsewhere the schema will refuse it."""
    parent = element.getparent()
    return parent is not None and local_name(parent) in containers


def _drop_before(container: Element, containers: frozenset[str]) -> None:
    """Drop the containers before this one; the last stays, so that the document keeps its shape."""
    before = container.getprevious()
    parent = container.getparent()
    while before is not None and parent is not None:
        earlier = before.getprevious()
        if local_name(before) in containers:
            parent.remove(before)
        before = earlier


def _document_in(root: Element) -> Element:
    """Return the Document in a whole tree, which an envelope may surround."""
    found: Any = next(root.iter("{*}Document"), root)
    return found if isinstance(found, etree._Element) else root
