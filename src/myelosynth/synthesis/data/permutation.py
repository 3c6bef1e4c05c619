"""Whose PET stands beside whose MRI in a negative control; pure Python, since the Snakefile asks it."""

from collections.abc import Mapping
from random import Random

from myelosynth.errors import InputError


def exchanged(groups: Mapping[str, str], fold_of: Mapping[str, int], seed: int) -> dict[str, str]:
    """Another participant for everybody: of the same group, and tested in the same fold.

    groups: participant to group; fold_of: participant to the fold that tests him. Where a fold learns from somebody it
    does not test him, and so not his partner either: what is exchanged reaches no model that is tested on it. Whoever
    is alone in group and fold takes turns with the fold's next group. Raises InputError for a fold that tests one
    participant alone.

    >>> groups = {"a": "patient", "b": "patient", "c": "control", "d": "control", "e": "control"}
    >>> exchanged(groups, {"a": 1, "b": 1, "c": 2, "d": 2, "e": 2}, seed=0)
    {'a': 'b', 'b': 'a', 'c': 'd', 'd': 'e', 'e': 'c'}
    """
    random = Random(seed)
    partner: dict[str, str] = {}
    for fold in sorted(set(fold_of.values())):
        circles: list[list[str]] = []
        for group in sorted(set(groups.values())):
            members = sorted(who for who, its in groups.items() if its == group and fold_of[who] == fold)
            random.shuffle(members)
            # Nobody to exchange with in the group: joined with the group before.
            if circles and (len(members) == 1 or len(circles[-1]) == 1):
                circles[-1] += members
            elif members:
                circles.append(members)
        for circle in circles:
            if len(circle) == 1:
                values = f"fold {fold} tests {circle[0]} alone, expected 2 participants or more"
                raise InputError("nobody to exchange with", "negative control", values, "split into fewer folds")
            partner |= dict(zip(circle, circle[1:] + circle[:1], strict=True))
    return {who: partner[who] for who in groups}
