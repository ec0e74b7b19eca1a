"""What S3 lists, in its order, as a small model: keys by their UTF-8 bytes, common prefixes among them."""


def entries(keys, prefix: str = "", delimiter: str = "", after: str = "") -> list[tuple[str, str]]:
    """`("key" | "prefix", text)` in order, of what follows `after`."""
    found: dict[str, str] = {}
    for key in keys:
        if not key.startswith(prefix):
            continue
        rest = key[len(prefix) :]
        if delimiter and delimiter in rest:
            found[prefix + rest.split(delimiter)[0] + delimiter] = "prefix"
        else:
            found[key] = "key"
    listed = sorted(found.items(), key=lambda one: one[0].encode())
    if not after:
        return [(kind, text) for text, kind in listed]
    # A common prefix lists whatever of it follows the marker, unless the marker is the prefix itself.
    keep = []
    for text, kind in listed:
        if kind == "key" and text.encode() > after.encode():
            keep.append((kind, text))
        if kind == "prefix" and text != after:
            under = [key for key in keys if key.startswith(text) and key.encode() > after.encode()]
            if under:
                keep.append((kind, text))
    return keep


def of_page(page: dict) -> list[tuple[str, str]]:
    """A page of boto3's as the model writes it: keys and prefixes merged in order."""
    keys = [("key", one["Key"]) for one in page.get("Contents", [])]
    prefixes = [("prefix", one["Prefix"]) for one in page.get("CommonPrefixes", [])]
    return sorted(keys + prefixes, key=lambda one: one[1].encode())
