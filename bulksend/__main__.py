"""``python -m bulksend``: the same as the ``bulksend`` command."""

from bulksend.cli import main

if __name__ == "__main__":
    main()
