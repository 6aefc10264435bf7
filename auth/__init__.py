"""Accounts, sign-in, tokens, personal keys, flags, organizations and the audit log. Imports ``catalog`` alone."""
