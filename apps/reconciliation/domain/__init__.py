"""The pure rules of reconciliation: references, calendars, continuity, evidence. No framework in here."""
