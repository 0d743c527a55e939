"""Chooses the form of a response from the Accept header (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"\s*([^;\s]+)\s*(?:;(.*))?", re.DOTALL)
_QUALITY = re.compile(r"(?:^|;)\s*q\s*=\s*([01](?:\.\d*)?)\s*(?:;|$)", re.ASCII | re.IGNORECASE)


def best_form(accept: str, forms: tuple[str, ...]) -> str:
    """Return the media type that a client likes best.

    Args:
        accept: The Accept header, empty if there is none.
        forms: Media types; the first is for clients that like several or all alike, unless they name others. A form
            that is named goes before one that a wildcard covers, and of several that are named, the last.
    """
    ranges = [match for part in accept.split(",") if (match := _RANGE.fullmatch(part))]
    quality = {match[1].lower(): _quality_of(match[2] or "") for match in ranges}

    def liking(form: str) -> tuple[float, int, int]:
        names = (form, f"{form.partition('/')[0]}/*", "*/*")
        place = next((at for at, name in enumerate(names) if name in quality), None)
        if place is None:
            return (0.0, -1, -forms.index(form))
        is_named = place == 0
        liked = quality[names[place]]
        # Excluded is less than not mentioned.
        return (liked or -1.0, is_named, forms.index(form) if is_named else -forms.index(form))

    return max(forms, key=liking)


def _quality_of(parameters: str) -> float:
    found = _QUALITY.search(parameters)
    return min(1.0, float(found[1])) if found else 1.0
