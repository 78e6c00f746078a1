"""The doctor's checks: small functions from the observed world to findings."""
