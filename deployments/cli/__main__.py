"""``python -m deployments.cli`` is the ``graphside`` command without its installed script."""

from deployments.cli import main

if __name__ == "__main__":
    main()
