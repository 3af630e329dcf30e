"""The engine's pixels are the reference's, and it finds no picture where the reference finds none."""

from __future__ import annotations

import io
import sys
import tempfile
import unittest
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

import files
from broken_exif import broken_exif
from compare import difference
from engine import Decoded, Engine
from reference import NoPicture, Reference, read


class Pictures(unittest.TestCase):
    """Each file is made, decoded by both, and compared."""

    engine: Engine
    folder: tempfile.TemporaryDirectory[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.engine = Engine()
        cls.folder = tempfile.TemporaryDirectory()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.engine.close()
        cls.folder.cleanup()

    def decode(self, data: bytes, page: int = 0) -> Decoded:
        """What the engine makes of a file."""
        path = Path(self.folder.name) / "picture"
        path.write_bytes(data)
        return self.engine.decode(path, page)

    def same(self, name: str, data: bytes, page: int = 0) -> None:
        """Both decode the file to the same pixels."""
        with self.subTest(name):
            expected = read(data, page)
            ours = self.decode(data, page)
            self.assertIsNone(ours.code, ours.said)
            self.assertIsNone(difference(ours, expected))

    def test_every_variant_has_the_pixels_of_the_reference(self) -> None:
        for group, make in files.GROUPS.items():
            for name, data in make():
                self.same(f"{group}: {name}", data)

    def test_heic_and_avif_are_within_two_levels(self) -> None:
        for name, data in files.heifs():
            self.same(name, data)

    def test_each_orientation_turns_the_picture(self) -> None:
        """The reference turns each of them, so that it is not both that overlook one."""
        upright = read(files.saved(files.image(), "PNG")).pixels
        for name, data in files.turned():
            if not name.endswith(".jpg") and not name.startswith("1"):
                with self.subTest(name):
                    ours = self.decode(data).pixels
                    assert ours is not None
                    self.assertFalse(ours.shape == upright.shape and (ours == upright).all())

    def test_exif_that_cannot_be_read_refuses_no_picture(self) -> None:
        for name, data in broken_exif():
            self.same(name, data)

    def test_damaged_files_have_the_pixels_of_the_reference_or_none(self) -> None:
        for make in files.GROUPS.values():
            if make is files.turned:
                continue
            for name, data in make():
                for damage, broken in files.damaged(name, data):
                    self.same_or_refused(damage, broken)

    def same_or_refused(self, name: str, data: bytes) -> None:
        """No picture where the reference finds none; else the same pixels, or a refusal."""
        with self.subTest(name):
            ours = self.decode(data)
            try:
                expected: Reference | None = read(data)
            except NoPicture:
                expected = None
            if expected is None:
                self.assertIsNotNone(ours.code, f"{ours.said} where the reference finds nothing")
            elif ours.code is None:
                self.assertIsNone(difference(ours, expected))
            else:
                self.assertFalse(name.startswith("tail-"), ours.said)

    def test_pages_and_frames_are_counted(self) -> None:
        names = ("animated.png", "default-image.png", "animated.gif", "animated.webp", "pages.tif")
        expected, found = {}, {}
        for make in (files.pngs, files.gifs, files.webps, files.tiffs):
            for name, data in make():
                if name in names:
                    expected[name] = Image.open(io.BytesIO(data)).n_frames
                    found[name] = self.decode(data).said["pages" if make is files.tiffs else "frames"]
        self.assertEqual(found, expected)
        self.assertEqual(expected, dict.fromkeys(names, 2))

    def test_a_page_is_chosen_and_a_missing_one_is_refused(self) -> None:
        data = dict(files.tiffs())["pages.tif"]
        self.same("first", data, 0)
        self.same("second", data, 1)
        self.assertEqual(self.decode(data, 2).code, "invalid_parameter")
        self.assertEqual(self.decode(files.saved(files.image(), "PNG"), 1).code, "invalid_parameter")

    def test_unsupported_variants_are_named(self) -> None:
        named = {
            "Zstandard with a window": wide_window(files.tiff(files.scene(), compression="zstd")),
            "LZMA": files.tiff(files.scene(), compression="lzma"),
            "WebP": files.tiff(files.scene(), compression="webp"),
            "L*a*b*": files.saved(files.image("LAB"), "TIFF"),
            "complex": files.tiff(files.scene()[..., 0].astype("complex64")),
        }
        for name, data in named.items():
            with self.subTest(name):
                ours = self.decode(data)
                self.assertEqual(ours.code, "unsupported_image_format")
                self.assertIn(name, ours.said["detail"])


def wide_window(file: bytes) -> bytes:
    """Zstandard data that asks for 256 MiB of memory."""
    frame = file.index(b"\x28\xb5\x2f\xfd")
    return file[: frame + 4] + b"\0" + bytes([(28 - 10) << 3]) + file[frame + 6 :]


if __name__ == "__main__":
    unittest.main()
