"""What pins the feature view that a logged model reads."""

from __future__ import annotations

from collections.abc import Callable

from headrace.catalog.service import Catalog

__all__ = ["view_pinning"]


def view_pinning(catalog: Catalog) -> Callable[[str], tuple[str, dict[str, str]]]:
    """What turns a view's reference into its version and the types of its features: `"ranking"` → `("ranking:3", {…})`."""
    from headrace.features.on_demand import input_types

    def pin(reference: str) -> tuple[str, dict[str, str]]:
        view = catalog.view(reference)
        types = input_types(view)
        return view.id, {name: types[name][0] for name in view.view.feature_names}

    return pin
