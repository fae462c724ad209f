"""Draw the pictures of img/ again, byte for byte the same.

make pictures
"""

from __future__ import annotations

import sys

from processes.files import atomic_write
from workshop.pictures.catalogue import PICTURES
from workshop.pictures.embed import IMG_DIR


def main() -> int:
    for draw in PICTURES:
        picture = draw()
        content = picture.svg().encode()
        atomic_write(IMG_DIR / f"{picture.name}.svg", content)
        print(f"img/{picture.name}.svg  {len(content):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
