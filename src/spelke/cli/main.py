"""`spelke VERB …`: finds the verb, runs it, and turns errors into one paragraph and an exit code.

Nothing heavy is imported here: a verb's module is imported when it is called, so that help answers
at once. Each verb's module has `main(argv) -> int`.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version

from spelke.errors import SpelkeError

VERBS = {
    "segment": ("spelke.cli.segment", "find what moves when a photo is pushed at a point"),
    "affordance": ("spelke.cli.affordance", "map where something could move"),
    "displace": ("spelke.cli.displace", "predict how everything moves after given pokes"),
    "worlds": ("spelke.cli.worlds", "make or show simulated scenes with exact ground truth"),
    "train": ("spelke.cli.train", "train a model by one of the recipes"),
    "bench": ("spelke.cli.bench", "measure a model against baselines"),
    "weights": ("spelke.cli.weights", "list the models, show one, get a published one"),
    "doctor": ("spelke.cli.doctor", "check this installation and say what to mend"),
}
"""Verb to the module that runs it and what it does, in the order in which help shows them."""

OK, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

_EXAMPLES = """\
Examples:
  spelke segment photo.jpg --point 312 205
  spelke segment photos/ --all --out found --json > found.jsonl
  spelke displace photo.jpg --poke 312 205 340 205
  spelke doctor"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments after the program's name; those of the process if not given.

    Returns:
        0; 1 if some items failed; 2 for bad input; 130 after Ctrl-C.
    """
    return run_guarded(_run, argv)


def run_guarded(run: Callable[[list[str]], int], argv: Sequence[str] | None = None) -> int:
    """Run a program so that every error becomes one paragraph and an exit code.

    Args:
        run: what to do with the arguments.
        argv: see `main`; `--debug` among them lets errors through.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        return run(arguments)
    except SystemExit as stop:  # the argument parser's way to end, after it has printed
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    except KeyboardInterrupt:
        _tell("Stopped. What was finished is kept.")
        return INTERRUPTED
    except BrokenPipeError:
        # Who read our output has gone (`| head`); Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SOME_FAILED
    except SpelkeError as error:
        if debug:
            raise
        _tell(f"spelke: {error}")
        return BAD_INPUT
    except Exception as error:
        if debug:
            raise
        _tell(
            f"spelke: unexpected {type(error).__name__}: {error}. This is a fault of Spelke or of "
            "this machine; add --debug to see where, and `spelke doctor` to check the installation."
        )
        return SOME_FAILED


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return OK if arguments else BAD_INPUT
    verb, *rest = arguments
    if verb in ("-V", "--version"):
        print(f"spelke {version('spelke')}")
        return OK
    if verb not in VERBS:
        _tell(_unknown(verb))
        return BAD_INPUT
    return import_module(VERBS[verb][0]).main(rest)


def usage() -> str:
    """The help of the program as a whole."""
    verbs = "\n".join(f"  {verb:<11} {summary}" for verb, (_, summary) in VERBS.items())
    return (
        "usage: spelke VERB …\n\n"
        "Finds the things in a picture: what moves together when something is pushed.\n\n"
        f"Verbs (each explains itself with `spelke VERB --help`):\n{verbs}\n\n"
        "Everywhere: --debug shows where an error came from; --version.\n\n"
        f"{_EXAMPLES}"
    )


def _unknown(verb: str) -> str:
    near = get_close_matches(verb, VERBS, n=1, cutoff=0.5)
    hint = f"did you mean `spelke {near[0]}`? " if near else ""
    what = "option" if verb.startswith("-") else "verb"
    return f"spelke: unknown {what} {verb!r}; {hint}verbs are {', '.join(VERBS)}"


def _tell(message: str) -> None:
    """One paragraph on standard error."""
    sys.stdout.flush()
    columns = 100 if sys.stderr.isatty() else 10_000
    print(
        textwrap.fill(message, columns, break_long_words=False, break_on_hyphens=False),
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
