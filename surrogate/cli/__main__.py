"""Run the command as ``python -m surrogate.cli``."""

from surrogate.cli.application import main

if __name__ == "__main__":
    main()
