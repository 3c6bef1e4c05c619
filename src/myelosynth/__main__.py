"""`python -m myelosynth` is the command `myelosynth`; torchrun starts it this way."""

from myelosynth.cli.app import main

if __name__ == "__main__":
    main()
