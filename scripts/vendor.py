"""Copy what pages use of the front-end packages from node_modules/ to static/vendor/.

Makes, from a clean start each time:

    htmx.min.js                 htmx 4
    icons.svg                   one <symbol id="NAME"> for each line of static/icons.txt (Lucide)
    inter/inter.css, *.woff2    "Inter Variable", upright, one file a script (by unicode-range)
    LICENSES.txt                the packages' licenses, which ask to travel with them
"""

import re
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "node_modules"
VENDOR = ROOT / "static" / "vendor"
ICON_LIST = ROOT / "static" / "icons.txt"
SVG = "http://www.w3.org/2000/svg"


def main() -> int:
    """Build the folder beside the old one, then swap: a server may be running on it."""
    fresh = VENDOR.with_name("vendor.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    shutil.copy(PACKAGES / "htmx.org" / "dist" / "htmx.min.js", fresh)
    copy_inter(fresh / "inter")
    try:
        sprite = icon_sprite(icon_names(ICON_LIST))
    except FileNotFoundError as error:
        sys.stderr.write(f"static/icons.txt: Lucide has no icon {Path(error.filename).stem!r}\n")
        return 1
    (fresh / "icons.svg").write_text(sprite)
    (fresh / "LICENSES.txt").write_text(licenses())
    shutil.rmtree(VENDOR, ignore_errors=True)
    fresh.rename(VENDOR)
    return 0


def copy_inter(folder: Path) -> None:
    """Copy Inter's stylesheet and the font files that it names."""
    folder.mkdir()
    package = PACKAGES / "@fontsource-variable" / "inter"
    css = (package / "index.css").read_text()
    for name in re.findall(r"url\(\./files/([\w.-]+)\)", css):
        shutil.copy(package / "files" / name, folder)
    (folder / "inter.css").write_text(css.replace("url(./files/", "url("))


def icon_names(path: Path) -> list[str]:
    """Read the names, without blank lines and comments, sorted and each once."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return sorted({line for line in lines if line and not line.startswith("#")})


def icon_sprite(names: list[str]) -> str:
    """Return one SVG with a symbol for each icon; stroke and size come from the page's CSS.

    Raises:
        FileNotFoundError: Lucide has no icon of that name.
    """
    ElementTree.register_namespace("", SVG)
    sprite = ElementTree.Element(f"{{{SVG}}}svg")
    for name in names:
        path = PACKAGES / "lucide-static" / "icons" / f"{name}.svg"
        icon = ElementTree.parse(path).getroot()  # noqa: S314 - pinned by hash
        symbol = ElementTree.SubElement(sprite, f"{{{SVG}}}symbol", id=name)
        for attribute, value in icon.attrib.items():
            if attribute not in ("class", "width", "height"):
                symbol.set(attribute, value)
        for shape in icon:
            shape.tail = None
            symbol.append(shape)
    return ElementTree.tostring(sprite, encoding="unicode") + "\n"


def licenses() -> str:
    """Return the license texts of the copied packages, under their names."""
    parts = []
    for name in ("htmx.org", "@fontsource-variable/inter", "lucide-static"):
        text = (PACKAGES / name / "LICENSE").read_text().strip()
        parts.append(f"{name}\n{'=' * len(name)}\n\n{text}\n")
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
