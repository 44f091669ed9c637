"""``python -m bulksend``, and what the ``bulksend`` command runs."""

import signal
import sys


def main() -> None:
    """Run the command line."""
    if getattr(sys, "frozen", False) and sys.argv[1:2] == ["__renew__"]:  # see `bulksend.portal.renewal_process`
        from bulksend.portal.renewer import main as renew  # noqa: PLC0415 - nothing else is needed here

        del sys.argv[1]
        renew()
        return
    if getattr(
        sys, "frozen", False
    ):  # what Python starts a single executable file with, for a worker's other processes
        from multiprocessing import freeze_support  # noqa: PLC0415 - likewise

        freeze_support()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command can say something itself, Ctrl-C just ends it
    from bulksend.cli import main as run  # noqa: PLC0415 - see above

    run()


if __name__ == "__main__":
    main()
