"""List what the workshop has in an account, delete what is confirmed, and ask AWS again what is left.

    python -m workshop.account.cleanup            # lists
    make cleanup CONFIRM=mine                     # deletes; the list names the words

In a notebook: `find`, `clean_up`; both show what they found and did.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from workshop.account.confirmation import confirmed_words
from workshop.account.deletion import Outcome, delete
from workshop.account.finding import find
from workshop.account.found import Listing
from workshop.account.reminders import reminders
from workshop.account.report import left_text, listing_text, outcome_text
from workshop.aws import local as local_aws
from workshop.aws.session import Aws, connect
from workshop.errors import WorkshopError
from workshop.settings import load_settings
from workshop.state import State


def clean_up(aws: Aws, listing: Listing) -> tuple[list[Outcome], Listing]:
    """Delete what the setting `cleanup_confirmed` names, and ask AWS again.

    Returns:
        What became of each thing, and what is there afterwards.
    """
    words = confirmed_words(aws.settings.cleanup_confirmed)
    outcomes = delete(aws, listing, words)
    _forget(aws, outcomes)
    left = find(aws)
    there = {(one.kind, one.name) for one in left.found}
    if words and there - {(one.kind, one.name) for one in listing.found}:
        # A job that is stopped saves what it has: once more, the bucket that was not empty included.
        outcomes = [one for one in outcomes if (one.found.kind, one.found.name) not in there]
        outcomes += delete(aws, left, words)
        left = find(aws)
    return outcomes, left


def unfinished(outcomes: list[Outcome], left: Listing) -> list[Outcome]:
    """Return what was to be deleted and is still there."""
    there = {(one.kind, one.name) for one in left.found}
    return [
        one
        for one in outcomes
        if (one.found.kind, one.found.name) in there
        and not one.reason.startswith(("not confirmed", "of another mode"))
        and not one.done.startswith("kept")
    ]


def _forget(aws: Aws, outcomes: list[Outcome]) -> None:
    """Take endpoints that are gone out of state.json: the next notebook would look for them."""
    deleted = {one.found.name for one in outcomes if one.done and one.found.kind == "Endpoint"}
    if not deleted:
        return
    with suppress(WorkshopError):  # one that cannot be read names nothing
        state = State.load(aws.settings)
        for name in ("endpoint", "components", "embedding"):
            if state.has(name) and getattr(state, name).endpoint_name in deleted:
                state.remove(name)
        state.save()


def main() -> int:
    """Run a cleanup in a terminal; exit status 1 when something that was confirmed is left."""
    try:
        settings = load_settings()
        with local_aws.left_as_found(settings.home / "sandbox"):
            aws = connect(settings, needs_bucket=False)
            listing = find(aws)
            print(listing_text(settings, listing))
            print("\nnever deleted:", *(reminders(aws) or ["nothing found"]), sep="\n  ")
            if not settings.cleanup_confirmed:
                return 0
            print(f"\nconfirmed: {settings.cleanup_confirmed}", flush=True)
            outcomes, left = clean_up(aws, listing)
            print(outcome_text(outcomes), left_text(settings, left, outcomes), sep="\n\n")
            return 1 if unfinished(outcomes, left) else 0
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
