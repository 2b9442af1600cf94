"""Files that do harm once somebody opens them on their own machine (pure).

They are kept and can be downloaded like all others, and their name is followed by a word.
"""

from __future__ import annotations

_BY_EXTENSION = {
    extension: word
    for word, extensions in {
        # What Windows, macOS, Android and Linux start when it is clicked upon.
        "program": "action apk app application appref-ms appx bash bat cmd com command cpl csh deb "
        "desktop dll dmg exe gadget hta inf ins iqy jar jnlp js jse lnk msc msi msix msp mst osx "
        "pif pkg ps1 psm1 py pyw rb reg rpm run scf scr sct settingcontent-ms sh url vb vbe vbs "
        "vbscript workflow ws wsc wsf wsh xbap xll",
        "macros": "accdb accde docm dotm mdb mde potm ppam ppsm pptm sldm slk xla xlam xlsm xltm",
        "web page": "chm htm html mht mhtml shtml svg svgz xhtml xht xsl xslt",
        "disk image": "cab img iso one onepkg vhd vhdx",
    }.items()
    for extension in extensions.split()
}
_BY_TYPE = {
    "application/hta": "program",
    "application/java-archive": "program",
    "application/vnd.android.package-archive": "program",
    "application/vnd.microsoft.portable-executable": "program",
    "application/x-dosexec": "program",
    "application/x-elf": "program",
    "application/x-executable": "program",
    "application/x-mach-binary": "program",
    "application/x-ms-shortcut": "program",
    "application/x-msdos-program": "program",
    "application/x-msdownload": "program",
    "application/x-msi": "program",
    "application/x-sh": "program",
    "application/x-iso9660-image": "disk image",
    "application/xhtml+xml": "web page",
    "image/svg+xml": "web page",
    "text/html": "web page",
    "text/javascript": "program",
    "application/javascript": "program",
}


def danger(filename: str, content_type: str) -> str:
    """ "program", "macros", "web page" or "disk image"; "" for a file that is none of them.

    By the name, which decides what the reader's machine does with it, else by the type that its
    first bytes told.
    """
    _, dot, extension = filename.rstrip(". ").rpartition(".")
    by_name = _BY_EXTENSION.get(extension.lower(), "") if dot else ""
    return by_name or _BY_TYPE.get(content_type, "")
