"""Apps meet at their doors: what one imports from another is its `public` or its `events`, and core's anything."""

import grimp
import pytest

OPEN_TO_ALL = "apps.core"


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("apps", "config", include_external_packages=False)


def app_of(module):
    return ".".join(module.split(".")[:2])


def crossings(graph):
    """Return every import from one app into another as (importer, imported)."""
    return [
        (importer, imported)
        for importer in graph.modules
        if importer.startswith("apps.")
        for imported in graph.find_modules_directly_imported_by(importer)
        if imported.startswith("apps.") and app_of(importer) != app_of(imported)
    ]


class TestDoors:
    def test_are_the_only_way_in(self, graph):
        through_the_wall = sorted(
            f"{importer} imports {imported}"
            for importer, imported in crossings(graph)
            if app_of(imported) != OPEN_TO_ALL and imported.split(".")[2:] not in (["public"], ["events"])
        )

        assert through_the_wall == []

    def test_are_used(self, graph):
        assert len(crossings(graph)) > 100
