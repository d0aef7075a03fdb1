"""What the home page is made of; each part of the platform adds its own tiles and panels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from apps.console import access


@dataclass(frozen=True, slots=True)
class Tile:
    """One number: what it counts, the list it counts, and whether it is well."""

    label: str
    value: Any
    url: str
    more: Any = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A wider part of the home page, drawn by a template of its own."""

    template: str
    context: dict[str, Any]


Maker = Callable[[], "Tile | Panel | None"]
_TILES: list[tuple[str, Maker]] = []
_PANELS: list[tuple[str, Maker]] = []


def tile(permission: str) -> Callable[[Maker], Maker]:
    """Put the tile that the function below makes on the home page of those who hold the permission."""

    def register(maker: Maker) -> Maker:
        _TILES.append((permission, maker))
        return maker

    return register


def panel(permission: str) -> Callable[[Maker], Maker]:
    """Put the panel that the function below makes on the home page."""

    def register(maker: Maker) -> Maker:
        _PANELS.append((permission, maker))
        return maker

    return register


def tiles_for(request: HttpRequest) -> list[Any]:
    """Make the tiles that the actor may see."""
    return _made(request, _TILES)


def panels_for(request: HttpRequest) -> list[Any]:
    """Make the panels that the actor may see."""
    return _made(request, _PANELS)


def _made(request: HttpRequest, makers: list[tuple[str, Maker]]) -> list[Any]:
    made = [make() for permission, make in makers if access.may(request, permission)]
    return [one for one in made if one is not None]
