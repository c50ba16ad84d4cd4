"""Measures transfer and writes the tables of `docs/transfer.md`.

    python -m benchmarks.transfer [--data photos] [--cycles out/cycles] [--parts renderers ...]

Each table stands in that page between two marks, `<!-- renderers -->` and `<!-- end -->`, and is
what `spelke bench renderers` and the like print; sheets of worlds and the gallery become JPEGs in
`docs/pictures`. Of the clips no picture may be shown there. With `--out` answers are kept, so that
after new weights only the models are asked again. Motion and gallery need `--data`.
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

import cv2

PAGE = Path(__file__).parents[1] / "docs" / "transfer.md"
PICTURES = PAGE.parent / "pictures"
PARTS = ("renderers", "textures", "motion", "gallery")
PAGE_WIDTH = 1800
"""Pixels across of pictures in the documentation."""


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cycles", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--models", nargs="+", default=["spelke-small", "spelke-tiny"])
    parser.add_argument("--points", type=int, default=105)
    asked = parser.parse_args()
    for part in asked.parts:
        if part in ("motion", "gallery") and asked.data is None:
            sys.exit(f"{part} needs --data, a folder of real pictures")
        start = time.perf_counter()
        (gallery if part == "gallery" else tabulate)(part, asked)
        print(f"{part}: {time.perf_counter() - start:.0f} s", file=sys.stderr)


def tabulate(part: str, asked: argparse.Namespace) -> None:
    """Run `spelke bench PART` and put its tables into the page."""
    command = ["--models", *asked.models, "--out", asked.out / part, "--sheet"]
    if part == "motion":
        command += ["--data", asked.data]
    else:
        command += ["--points", asked.points]
    if part == "renderers" and asked.cycles:
        command += ["--cycles", asked.cycles]
    done = subprocess.run(
        [sys.executable, "-m", "spelke", "bench", part, *map(str, command)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(replaced(page, part, markdown(done.stdout)), encoding="utf-8")
    if part != "motion":
        publish(asked.out / part / f"{asked.models[0]}.png", f"transfer-{part}.jpg")


def gallery(part: str, asked: argparse.Namespace) -> None:
    """Draw the page of real pictures as a JPEG."""
    drawn = asked.out / f"{part}.png"
    options = ["--data", asked.data, "--model", asked.models[0], "--out", drawn]
    command = [sys.executable, "-m", "spelke", "bench", part, *map(str, options)]
    subprocess.run(command, check=True)
    publish(drawn, "real-photos.jpg")


def publish(drawn: Path, name: str) -> None:
    """Put a picture into the documentation, as a JPEG of moderate size."""
    picture = cv2.imread(str(drawn))
    scale = min(1.0, PAGE_WIDTH / picture.shape[1])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(PICTURES / name), small, [cv2.IMWRITE_JPEG_QUALITY, 82])


def markdown(printed: str) -> str:
    """What was printed as paragraphs and tables, without the blanks that align columns."""
    blocks: list[str] = []
    is_table = False
    for line in printed.splitlines():
        row = re.sub(r"\s*\|\s*", " | ", line).strip() if "|" in line else line.strip()
        if not row:
            continue
        starts = row.startswith("|")
        if starts and set(row) <= set("|-: "):
            row = re.sub(r"-+", "---", row)
        blocks.append(("\n" if starts and is_table else "\n\n") + row)
        is_table = starts
    return "".join(blocks).strip()


def replaced(page: str, part: str, text: str) -> str:
    """The page with other text between the marks of a part."""
    pattern = re.compile(rf"(<!-- {part} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(page):
        sys.exit(f"the page has no marks for {part}")
    return pattern.sub(lambda found: f"{found[1]}\n{text.strip()}\n\n{found[2]}", page)


if __name__ == "__main__":
    main()
