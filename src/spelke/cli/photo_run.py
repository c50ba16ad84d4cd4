"""One run over many photos: what is missing is asked, what comes is written and said.

Entry point: `PhotoRun`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from spelke.cli.looking import Ask, LookerCard
from spelke.cli.results import holds_results, place_of, write_results
from spelke.errors import SpelkeError, Unavailable
from spelke.runtime.pools import Lost

if TYPE_CHECKING:
    from rich.console import Console

    from spelke.cli.photos import PhotoOptions
    from spelke.data.pictures import Picture, Source

OK, SOME_FAILED = 0, 1


class PhotoRun:
    """Photos with what becomes of them.

    Args:
        options: of the verb.
        card: of the model.
        console: for people.
        advance: called after each photo.
        is_alone: whether there is one photo only, whose failure is that of the call.
    """

    def __init__(
        self,
        options: PhotoOptions,
        card: LookerCard,
        console: Console,
        advance: Callable[[], None],
        is_alone: bool,
    ):
        self.options, self.card, self.console = options, card, console
        self.advance, self.is_alone = advance, is_alone
        self.answered = self.kept = self.failed = 0

    def missing(self, pictures: Iterable[Picture]) -> Iterator[Ask]:
        """The photos that have no answer yet; those that have one are told of.

        Raises:
            SpelkeError: the only photo cannot be read.
        """
        for picture in pictures:
            try:
                ask = self._ask(picture)
                is_kept = not self.options.again and self._keep(ask)
            except SpelkeError as error:
                self._fail(picture, error)
                continue
            if is_kept:
                self.kept += 1
                self.advance()
            else:
                yield ask

    def take(self, ask: Ask, found: Mapping[str, bytes] | Exception | Lost) -> None:
        """Write down what was found in a photo and say so, or why there is nothing.

        Raises:
            Unavailable: the disk is full or the folder may not be written.
            Exception: what went wrong with the only photo.
        """
        if isinstance(found, Lost):
            self._fail(ask.picture, Unavailable(found.reason))
            return
        if isinstance(found, Unavailable):
            raise found
        if isinstance(found, Exception):
            self._fail(ask.picture, found)
            return
        write_results(stem_of(ask.picture, self.options.out), found)
        self._tell(ask.picture, is_new=True)
        self.answered += 1
        self.advance()

    def end(self, unused: Iterable[str]) -> int:
        """Say what became of the photos; `unused` are names of points that no photo had.

        Returns:
            The exit status: 0, or 1 if something failed.
        """
        total = self.answered + self.kept + self.failed
        if self.kept:
            self._say(f"kept from before: {self.kept} of {total} photos")
        if self.failed:
            self._say(f"{self.failed} of {total} photos failed; the others are done")
        names = list(unused)
        if names:
            more = ", …" if len(names) > 5 else ""
            self._say(f"points of photos that are not here: {', '.join(names[:5])}{more}")
        return SOME_FAILED if self.failed or names else OK

    def _ask(self, picture: Picture) -> Ask:
        from spelke.benchmarks.identity import digest_of

        data = picture.read()
        options = self.options
        asked = (self.card.identity, options.question(), options.seed, picture.points)
        return Ask(picture, data, digest_of(asked, hashlib.sha256(data).hexdigest()))

    def _keep(self, ask: Ask) -> bool:
        """Whether the photo is answered already; then that is told of."""
        stem = stem_of(ask.picture, self.options.out)
        if not holds_results(stem, self.options.endings, ask.question):
            return False
        try:
            self._tell(ask.picture, is_new=False)
        except SpelkeError:
            return False
        return True

    def _tell(self, picture: Picture, is_new: bool) -> None:
        """Say what the files of a photo hold; people know already what is not new."""
        stem = stem_of(picture, self.options.out)
        places = [place_of(stem, ending) for ending in self.options.endings]
        told = self.options.tell(places)
        for line in told.lines if is_new else ():
            self._say(f"{Path(picture.name).name}: {line}")
        if self.options.json:
            results = [json.dumps({"image": picture.name, **record}) for record in told.records]
        else:
            results = [os.fspath(path) for path in places]
        for result in results:
            print(result, flush=True)

    def _fail(self, picture: Picture, error: Exception) -> None:
        if self.is_alone:
            raise error
        self.failed += 1
        text = str(error) if isinstance(error, SpelkeError) else _unexpected(error)
        name = "" if text.startswith(picture.name) else f"{picture.name}: "
        self._say(name + text, style="red")
        self.advance()

    def _say(self, text: str, style: str | None = None) -> None:
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def stem_of(picture: Source, out: Path | None) -> Path:
    """Where the results of a photo go, without ending."""
    return (picture.folder if out is None else out) / picture.label


def _unexpected(error: Exception) -> str:
    text = str(error)
    name = type(error).__name__
    return f"{name}: {text}" if text else name
