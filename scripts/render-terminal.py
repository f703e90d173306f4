#!/usr/bin/python3
"""Draws what a terminal shows as a PNG: render-terminal.py TITLE OUT.png < text

The text is what `tmux capture-pane -e -p` prints: lines with SGR escape sequences, and nothing else.
"""

import re
import sys

from PIL import Image, ImageDraw, ImageFont

FONTS = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono"
SIZE, LINE, MARGIN, BAR = 16, 21, 18, 34
BACKGROUND, FOREGROUND, FRAME = (24, 26, 31), (214, 217, 222), (43, 46, 54)
COLOURS = [(92, 99, 112), (224, 108, 117), (126, 199, 110), (229, 192, 96), (97, 160, 239), (198, 120, 221), (86, 190, 200), FOREGROUND]


class Style:
    """The attributes that a sequence of SGR codes leaves behind."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.bold = self.dim = self.reverse = False
        self.colour = None

    def apply(self, codes):
        codes = [int(code or 0) for code in codes.split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.reset()
            elif code == 1:
                self.bold = True
            elif code == 2:
                self.dim = True
            elif code == 22:
                self.bold = self.dim = False
            elif code == 7:
                self.reverse = True
            elif code == 27:
                self.reverse = False
            elif 30 <= code <= 37:
                self.colour = COLOURS[code - 30]
            elif 90 <= code <= 97:
                self.colour = COLOURS[code - 90]
            elif code == 39:
                self.colour = None

    def colours(self):
        ink, paper = self.colour or FOREGROUND, BACKGROUND
        if self.dim:
            ink = tuple((a + b) // 2 for a, b in zip(ink, paper))
        return (paper, ink) if self.reverse else (ink, paper)


def cells(line, style):
    """Each character of a line, with its colours and whether it is bold."""
    for escape, character in re.findall(r"\x1b\[([0-9;]*)m|([^\x1b])", line):
        if character:
            yield character, *style.colours(), style.bold
        else:
            style.apply(escape)


def draw(title, lines):
    regular = ImageFont.truetype(f"{FONTS}.ttf", SIZE)
    bold = ImageFont.truetype(f"{FONTS}-Bold.ttf", SIZE)
    advance = regular.getlength("M")
    style = Style()
    rows = [list(cells(line, style)) for line in lines]
    width = round(max(len(row) for row in rows) * advance) + 2 * MARGIN
    height = len(rows) * LINE + BAR + 2 * MARGIN
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, width - 1, height - 1), 10, fill=BACKGROUND, outline=FRAME)
    pen.rounded_rectangle((0, 0, width - 1, BAR), 10, fill=FRAME)
    pen.rectangle((0, BAR - 10, width - 1, BAR), fill=FRAME)
    pen.text((width / 2, BAR / 2), title, font=regular, fill=FOREGROUND, anchor="mm")
    for y, row in enumerate(rows):
        top = BAR + MARGIN + y * LINE
        for x, (character, ink, paper, is_bold) in enumerate(row):
            left = MARGIN + x * advance
            if paper != BACKGROUND:
                pen.rectangle((left, top, left + advance, top + LINE - 1), fill=paper)
            if character != " ":
                pen.text((left, top + 1), character, font=bold if is_bold else regular, fill=ink)
    return image


if __name__ == "__main__":
    title, path = sys.argv[1:]
    text = sys.stdin.read().rstrip("\n").split("\n")
    while text and not text[-1].strip():
        text.pop()
    draw(title, text).save(path, optimize=True)
