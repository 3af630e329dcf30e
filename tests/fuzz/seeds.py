"""Small files to start fuzzing from: variants of each format, a bundle's description, requests, events.

usage: seeds.py FOLDER
"""

from __future__ import annotations

import base64
import gzip
import json
import struct
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pictures"))

import numpy as np
from files import tiff
from heif_container import ALPHA, Container, clean_aperture, mirror, rotation
from heif_matrix import AVIF, HEIC, avif, coded_avif, coded_heic, deep_avif, deep_heic, heic, save, translucent
from old_jpeg import old_jpegs
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    folder = Path(sys.argv[1])
    noise = np.random.default_rng(1).integers(0, 255, (24, 32, 3)).astype("u1")
    picture = Image.fromarray(noise).resize((40, 30))
    png, gif = save(picture.resize((3, 2)), "PNG"), save(picture.convert("L").resize((2, 1)), "GIF")
    for target, files in (pictures(picture) | requests(png, gif)).items():
        for number, file in enumerate(files):
            write(folder / target / str(number), file)
    write(folder / "bundle" / "default", (ROOT / "models/default/bundle.json").read_bytes())
    for sample in set((ROOT / "events").glob("*.json")) - {ROOT / "events/local-env.json"}:
        target = "s3-event" if sample.name.startswith("s3-") else "http-event"
        write(folder / target / sample.stem, sample.read_bytes())


def pictures(picture: Image.Image) -> dict[str, list[bytes]]:
    grey, palette, clear = picture.convert("L"), picture.convert("P"), translucent(picture)
    bilevel, wide = picture.convert("1"), Image.fromarray(np.asarray(grey).astype("u2") * 257)
    animation = {"save_all": True, "append_images": [picture.rotate(90), picture.rotate(180)]}
    return {
        "jpeg": [
            save(picture, "JPEG"),
            save(picture, "JPEG", progressive=True, subsampling=0),
            save(grey, "JPEG", restart_marker_blocks=2),
            save(picture.convert("CMYK"), "JPEG"),
        ],
        "png": [save(one, "PNG") for one in (picture, grey, palette, clear, bilevel, wide)]
        + [save(picture, "PNG", **animation)],
        "webp": [save(picture, "WEBP"), save(clear, "WEBP", lossless=True), save(picture, "WEBP", **animation)],
        "gif": [save(palette, "GIF"), save(picture, "GIF", **animation)],
        "bmp": [save(one, "BMP") for one in (picture, grey, palette, bilevel, clear)],
        "tiff": [
            save(one, "TIFF", compression=compression)
            for one in (picture, grey, palette, clear)
            for compression in ("raw", "tiff_lzw", "packbits", "tiff_adobe_deflate")
        ]
        + [save(bilevel, "TIFF", compression=name) for name in ("group3", "group4")]
        + [save(wide, "TIFF"), save(picture, "TIFF", compression="jpeg"), save(picture, "TIFF", **animation)]
        + [file for _, file in old_jpegs(picture)]
        + [tiff(np.asarray(picture), compression="zstd"), tiff(np.asarray(grey).astype("u8") << 56)],
        "heic": heif_files(picture, HEIC)
        + [heic(picture, chroma=422), heic(picture, quality=-1, chroma=444), deep_heic(picture, 10, chroma=420)],
        "avif": heif_files(picture, AVIF)
        + [deep_avif(picture, 10, "420"), deep_avif(picture, 12, "444"), avif(picture, subsampling="4:2:2")]
        + [avif(picture, **animation)],
    }


def heif_files(picture: Image.Image, brands: list[bytes]) -> list[bytes]:
    encode, coded = (heic, coded_heic) if brands is HEIC else (avif, coded_avif)
    grid = Container(brands)
    tiles = [coded(picture.crop((x, 0, x + 64, 64))) for x in (0, 20)]
    main = grid.add_grid(tiles, 1, 2, (100, 50), [clean_aperture((80, 40), (1, 2)), rotation(1), mirror(0)])
    grid.refer(b"auxl", grid.add_coded(coded(picture.convert("L")), [ALPHA]), main)
    return [encode(picture), encode(picture.convert("L")), encode(translucent(picture)), grid.write()]


def requests(png: bytes, gif: bytes) -> dict[str, list[bytes]]:
    """Bodies with one picture and with two, in every form; `src/requests.rs` says what stands before them."""
    one, two = (base64.b64encode(picture).decode() for picture in (png, gif))
    options = {"top_k": 3, "min_score": 0.1, "abstain_below": 0.5, "embedding": True, "ood": True, "page": 1}
    explained = {"labels": ["cat", 7], "format": "png"}
    native = [
        {"image_data": one},
        {"image": f"data:image/png;base64,{one}", **options, "explain": explained},
        {"images": [one, two, "?"], "explain": "map"},
        {"s3": {"bucket": "pictures", "key": "a/b.jpg"}, "explain": True},
    ]
    rows = [
        {"instances": [{"b64": one}, {"image": {"b64": two}, "key": "k"}]},
        {"instances": [{"content": one, "mimeType": "image/png", "key": 7}], "parameters": {"page": 1}},
        {"signature_name": "serving_default", "inputs": {"image": [{"b64": one}]}},
        {"inputs": [{"b64": one}, {"b64": two}]},
    ]
    parts = [
        part('name="file"; filename="a.png"', png, "image/png") + part('name="top_k"', b"3"),
        part('name="images"; filename="a.png"', png) + part('name="images"; filename="b.gif"', gif),
        part('name="image_data"', one.encode()) + part('name="f"; filename=""', b""),
    ]
    multipart = [body + b"--x--\r\n" for body in parts]
    form = f"top_k=3&explain=png&explain_label=cat&image_data={one}".replace("+", "%2B").encode()
    json_type, deflated = b"content-type: application/json", zlib.compress(png)
    return {
        "predict": [
            head(b"top_k=3&min_score=0.1&explain=png&explain_label=tabby%2C+cat", b"content-type: image/png") + png,
            head(b"page=1&embedding=true&ood=false&abstain_below=0.5") + gif,
            head(b"", json_type, b"content-encoding: gzip") + gzip.compress(dump(native[0]), mtime=0),
            head(b"", b"content-type: application/octet-stream", b"content-encoding: deflate") + deflated,
            head(b"", b"content-type: application/x-image", b"content-encoding: deflate") + deflated[2:-4],
            head(b"", b'content-type: multipart/form-data; boundary="x"') + multipart[0],
            head(b"", b"content-type: application/x-www-form-urlencoded") + form,
            head(b"", b"content-type: application/vnd.a+json; charset=utf-8") + b"\xef\xbb\xbf" + dump(native[2]),
        ],
        "predict-json": [dump(body) for body in native],
        "multipart": multipart,
        "form": [form, f"images={two}&images%5B%5D={two}".replace("+", "%2B").encode()],
        "tensorflow-serving": [dump(body) for body in rows],
        "open-inference": inferences(png, gif),
        "base64": [
            text.encode()
            for text in (one, one.rstrip("="), base64.encodebytes(png).decode(), f"data:;base64,{two}", f"b'{two}'")
        ]
        + [base64.urlsafe_b64encode(gif), b"\n data:image/png; base64 ," + one.replace("/", "%2f").encode()],
    }


def inferences(png: bytes, gif: bytes) -> list[bytes]:
    """The header's value in the first line, then JSON, then binary tensors."""
    texts = [base64.b64encode(picture).decode() for picture in (png, gif)]
    outputs = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "pages"}]
    pixels = bytes(range(192))
    elements = b"".join(struct.pack("<I", len(picture)) + picture for picture in (png, gif))

    def tensor(shape: list[int], datatype: str, **values: object) -> dict[str, object]:
        return {"name": "image", "shape": shape, "datatype": datatype, **values}

    def binary(shape: list[int], datatype: str, values: bytes) -> bytes:
        inputs = [tensor(shape, datatype, parameters={"binary_data_size": len(values)})]
        text = dump({"id": "a", "inputs": inputs, "parameters": {"binary_data_output": True}})
        return f"{len(text)}\n".encode() + text + values

    return [
        b"\n" + dump({"inputs": [tensor([2, 1], "BYTES", data=texts)], "parameters": {"top_k": 3, "page": 1}}),
        b"\n" + dump({"inputs": [tensor([1, 8, 8, 3], "UINT8", data=[list(pixels)])], "outputs": outputs}),
        binary([2], "BYTES", elements),
        binary([1, 8, 8, 3], "UINT8", pixels),
        b"0\n" + png,
    ]


def part(disposition: str, content: bytes, kind: str = "") -> bytes:
    """One part of a form with the boundary `x`."""
    kind = f"Content-Type: {kind}\r\n" if kind else ""
    return f"--x\r\nContent-Disposition: form-data; {disposition}\r\n{kind}\r\n".encode() + content + b"\r\n"


def head(query: bytes, *headers: bytes) -> bytes:
    return b"\n".join([query, *headers]) + b"\n\n"


def dump(body: object) -> bytes:
    return json.dumps(body).encode()


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


if __name__ == "__main__":
    main()
