"""Checks that graphside installs, starts and passes its tests on a minimal Debian that has only what the pages name.

python -m tools.fresh serve --suite trixie --user root
"""
