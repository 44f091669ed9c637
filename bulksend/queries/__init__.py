"""Questions to a portal that change nothing: lookups, preflight checks, and the runner that asks them."""
