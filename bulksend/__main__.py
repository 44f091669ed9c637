"""``python -m bulksend``, and what the ``bulksend`` command runs."""

import signal


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command can say something itself, Ctrl-C just ends it
    from bulksend.cli import main as run  # noqa: PLC0415 - see above

    run()


if __name__ == "__main__":
    main()
