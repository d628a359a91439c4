"""What the loop decided, and what it asks."""

from __future__ import annotations

import html

from ..watching import Watched
from .markup import ago, card, clock, table, text, toned

__all__ = ["loop"]


def loop(found: Watched, now: float) -> str:
    """The card of a watch: its newest decisions, and two buttons while a person is asked.

    Args:
        found: the watch.
        now: seconds since the epoch.
    """
    state = "running" if found.running else "stopped"
    body = f"<p>{toned(state)}: <span data-lepton='stage'>{text(found.stage)}</span>, retraining {found.cycle}</p>"
    if found.trouble:
        body += f"<p>{toned('warning')} {text(found.trouble, 500)}</p>"
    if found.asks:
        name = html.escape(found.deployment, quote=True)
        buttons = "".join(
            f"<button type='button' class='lepton-button' data-key='{word}' data-decide='{word}' "
            f"data-watch='{name}' data-number='{found.cycle}'>{word.capitalize()}</button> "
            for word in ("approve", "refuse")
        )
        body += f"<p data-lepton='asks'>May <b>{text(found.challenger, 80)}</b> answer? {buttons}</p>"
    elif found.answered and found.stage == "asking":
        body += "<p data-lepton='answered'>Answered; the watch goes on with it at its next look.</p>"
    rows = [
        (
            f"<span title='{clock(one.time)}'>{ago(one.time, now)}</span>",
            text(one.action),
            text(one.why, 300),
            text(", ".join(f"{name} {value}" for name, value in one.numbers), 300),
        )
        for one in reversed(found.decisions)
    ]
    listed = table(("when", "decision", "why", "numbers"), rows, key="decisions") if rows else ""
    return card("The loop", body + listed, kind="", key="loop")
