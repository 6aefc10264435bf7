"""``python -m deployments.cli``: the ``graphside`` command without its installed script."""

from deployments.cli import main

if __name__ == "__main__":
    main()
