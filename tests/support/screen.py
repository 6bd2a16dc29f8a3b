"""A terminal's screen, for what rich and the command write to one."""

import re
from typing import Final

WRITTEN: Final = re.compile(
    r"\x1b\[(?P<number>\d*)(?P<act>[AK])|\x1b\[\?25[lh]|(?P<end>\r?\n)|\r|(?P<text>(?:\x1b\[[\d;]*m|[^\x1b\r\n])+)"
)


UNFINISHED: Final = re.compile(r"\x1b(\[\??[\d;]*)?$")


class Screen:
    """Lines as they stand after all that was written, with their colours: a cursor goes up, and lines are erased whole.

    Whatever else a terminal understands is refused.
    """

    def __init__(self) -> None:
        self.lines = [""]
        self._at = 0
        self._rest = ""

    def write(self, written: str) -> None:
        """Take what is written, in pieces that end anywhere."""
        written, self._rest = self._rest + written, ""
        place = 0
        while place < len(written):
            found = WRITTEN.match(written, place)
            if found is None and UNFINISHED.match(written, place):
                self._rest = written[place:]
                return
            if found is None:
                raise ValueError(f"a terminal's command that is not known: {written[place : place + 20]!r}")
            place = found.end()
            if found["end"]:
                self._at += 1
                self.lines += [""] * (self._at == len(self.lines))
            elif found["act"] == "K":
                self.lines[self._at] = ""
            elif found["act"] == "A":
                self._at -= int(found["number"] or 1)
            else:
                self.lines[self._at] += found["text"] or ""

    @property
    def shown(self) -> str:
        """The lines without their colours."""
        return "\n".join(re.sub(r"\x1b\[[\d;]*m", "", line).rstrip() for line in self.lines).rstrip()
