//! The forms of JPEG and what is done with damaged files; `tests/jpeg` compares with Pillow.

use super::*;
use crate::decode::{Request, Source, decode};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/", $name, ".jpg")).as_slice()
    };
}

const PLAIN: &[u8] = fixture!("plain");
/// The same coefficients as [`PLAIN`] in other forms.
const FORMS: [(&str, &[u8]); 6] = [
    ("progressive", fixture!("progressive")),
    ("restart markers", fixture!("restarts")),
    ("components in separate scans", fixture!("separate")),
    ("chroma first", fixture!("chroma-first")),
    ("arithmetic", fixture!("arithmetic")),
    ("progressive arithmetic", fixture!("arithmetic-progressive")),
];

fn pixels(encoded: &[u8]) -> Result<RgbImage, ClassifyError> {
    decode(encoded, &Limits::default()).map(|picture| picture.pixels)
}

fn is_corrupt(encoded: &[u8]) -> bool {
    matches!(pixels(encoded), Err(ClassifyError::Corrupt { format: "JPEG" }))
}

#[test]
fn every_form_of_the_same_coefficients_gives_the_same_pixels() {
    let plain = pixels(PLAIN).unwrap();
    assert_eq!(plain.dimensions(), (33, 21));
    for (name, form) in FORMS {
        assert_eq!(pixels(form).unwrap(), plain, "{name}");
    }
}

#[test]
fn lossless_samples_of_12_bits_are_scaled_by_their_range() {
    // The encoder widened the same samples of 8 bits.
    assert_eq!(
        pixels(fixture!("lossless-12-bits")).unwrap(),
        pixels(fixture!("lossless")).unwrap()
    );
}

#[test]
fn missing_scan_data_is_refused_even_with_an_end_marker_behind_it() {
    for (name, form) in FORMS.into_iter().chain([("plain", PLAIN)]) {
        // Zeros at the end of arithmetic data may be left out, so a short lack is not seen there.
        let last = if name.contains("arithmetic") { form.len() / 2 } else { form.len() - 3 };
        // Between two scans, a progressive file with less precise coefficients is whole.
        let is_between = |length: usize| form[length - 1] == 0xff || form[length] == 0xff;
        for length in (3..last).step_by(7).filter(|length| !is_between(*length)) {
            let cut = &form[..length];
            assert!(is_corrupt(cut), "{name} cut to {length} bytes");
            let ended = [cut, b"\xff\xd9"].concat();
            assert!(is_corrupt(&ended), "{name} cut to {length} bytes, with an end marker");
        }
    }
}

#[test]
fn a_missing_end_marker_is_not_missed() {
    for (name, form) in [("plain", PLAIN), FORMS[0], FORMS[1], FORMS[2]] {
        let whole = pixels(form).unwrap();
        let without = &form[..form.len() - 2];
        assert_eq!(pixels(without).unwrap(), whole, "{name}");
        assert_eq!(pixels(&[without, &[0; 512]].concat()).unwrap(), whole, "{name}, padded");
    }
    assert!(is_corrupt(FORMS[4].1.strip_suffix(b"\xff\xd9").unwrap()));
}

/// One of `damages.json`, which training's tests read too.
#[derive(serde::Deserialize)]
struct Damage {
    name: String,
    file: String,
    edits: Vec<Edit>,
    decoded: bool,
}

/// What is done, where, and bytes in hexadecimal.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Edit {
    At(String, usize),
    Bytes(String, String),
    BytesAt(String, usize, String),
    Exchange(String, String, String),
}

impl Edit {
    fn apply(&self, file: &mut Vec<u8>) {
        let bytes = |hex: &str| -> Vec<u8> {
            let digits = hex.as_bytes().chunks(2);
            digits
                .map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap())
                .collect()
        };
        match self {
            Self::At(what, length) if what == "cut" => file.truncate(*length),
            Self::Bytes(what, hex) if what == "append" => file.extend(bytes(hex)),
            Self::BytesAt(what, at, hex) if what == "insert" => {
                file.splice(*at..*at, bytes(hex));
            }
            Self::BytesAt(what, at, hex) if what == "set" => {
                file.splice(*at..at + hex.len() / 2, bytes(hex));
            }
            Self::Exchange(what, from, to) if what == "replace" => {
                let from = bytes(from);
                let at = file.windows(from.len()).position(|found| found == from).unwrap();
                file.splice(at..at + from.len(), bytes(to));
            }
            _ => panic!("an unknown edit"),
        }
    }
}

#[test]
fn damaged_files_are_decoded_where_no_pixel_is_missing() {
    let damages: Vec<Damage> = serde_json::from_str(include_str!("fixtures/damages.json")).unwrap();
    assert!(damages.len() > 20);
    let mut wrong = Vec::new();
    for Damage { name, file, edits, decoded } in damages {
        let whole = match file.as_str() {
            "plain" => PLAIN,
            "progressive" => FORMS[0].1,
            "restarts" => FORMS[1].1,
            "separate" => FORMS[2].1,
            other => panic!("{other}"),
        };
        let mut damaged = whole.to_vec();
        edits.iter().for_each(|edit| edit.apply(&mut damaged));
        if decoded != pixels(&damaged).is_ok() || decoded == is_corrupt(&damaged) {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn junk_between_segments_is_skipped() {
    let plain = pixels(PLAIN).unwrap();
    let frame = PLAIN.windows(2).position(|pair| pair == b"\xff\xc0").unwrap();
    for at in [frame, PLAIN.len() - 2] {
        let with_junk = [&PLAIN[..at], b"\0\x13junk\xff\0", &PLAIN[at..]].concat();
        assert_eq!(pixels(&with_junk).unwrap(), plain, "at {at}");
    }
}

#[test]
fn broken_restart_markers_are_refused() {
    let restarts = fixture!("restarts");
    let at = restarts.windows(2).position(|pair| pair == b"\xff\xd0").unwrap();
    let mut wrong = restarts.to_vec();
    wrong[at + 1] = 0xd6;
    assert!(is_corrupt(&wrong));
}

#[test]
fn variants_that_are_not_decoded_are_named() {
    let frame = PLAIN.windows(2).position(|pair| pair == b"\xff\xc0").unwrap();
    let changed = |at: usize, to: u8| {
        let mut file = PLAIN.to_vec();
        file[frame + at] = to;
        pixels(&file).unwrap_err().to_string()
    };
    let mut no_height = PLAIN.to_vec();
    no_height[frame + 5..frame + 7].fill(0);
    assert_eq!(
        pixels(&no_height).unwrap_err().to_string(),
        "JPEG: a height that is defined after the first scan (DNL) is not supported; re-encode the \
         image as JPEG or PNG"
    );
    assert!(changed(1, 0xc5).starts_with("JPEG: hierarchical coding is"));
    assert!(changed(1, 0xf7).starts_with("JPEG: JPEG-LS is"));
    assert!(changed(4, 10).starts_with("JPEG: this number of bits per sample is"));
}

#[test]
fn sides_are_divided_as_long_as_enough_pixels_are_left() {
    let limits = Limits::default();
    for (width, height, expected) in
        [(4, 2, (5, 3)), (5, 2, (9, 6)), (8, 5, (9, 6)), (9, 5, (17, 11)), (16, 11, (33, 21))]
    {
        let source = Source::open(PLAIN, Request::default(), &limits).unwrap();
        let scale = Scale::AtLeast { width, height };
        let cost = source.cost(scale);
        let found = source.decode(scale).unwrap();
        assert_eq!(found.pixels.dimensions(), expected);
        assert_eq!((found.header.width, found.header.height), (33, 21));
        let full = Source::open(PLAIN, Request::default(), &limits).unwrap().cost(Scale::Full);
        assert!(cost.peak_bytes <= full.peak_bytes && cost.time <= full.time);
    }
}

#[test]
fn several_scans_cost_their_coefficients() {
    let limits = Limits::default();
    let cost =
        |encoded| Source::open(encoded, Request::default(), &limits).unwrap().cost(Scale::Full);
    let (plain, progressive) = (cost(PLAIN), cost(FORMS[0].1));
    // 6 × 4 blocks of luma, 3 × 2 of each chroma component, 64 coefficients of two bytes.
    assert_eq!(progressive.peak_bytes - plain.peak_bytes, (24 + 6 + 6) * 128);
    assert!(progressive.time > plain.time);
    let little = Limits { max_decoded_bytes: progressive.peak_bytes - 1, ..limits };
    let refused = decode(FORMS[0].1, &little);
    assert!(matches!(refused, Err(ClassifyError::TooMuchMemory { .. })), "{refused:?}");
}

#[test]
fn orientation_is_read_from_exif() {
    let exif =
        b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let turned = [&PLAIN[..2], exif, &PLAIN[2..]].concat();
    let source = Source::open(&turned, Request::default(), &Limits::default()).unwrap();
    assert_eq!(source.header().orientation, Orientation::Rotate90);
}

#[test]
fn strips_of_a_tiff_take_their_tables_from_elsewhere() {
    let scan = PLAIN.windows(2).position(|pair| pair == b"\xff\xda").unwrap();
    let frame = PLAIN.windows(2).position(|pair| pair == b"\xff\xc0").unwrap();
    let quantization = PLAIN.windows(2).position(|pair| pair == b"\xff\xdb").unwrap();
    let end_of_frame = frame + 2 + usize::from(PLAIN[frame + 3]);
    let tables =
        [b"\xff\xd8", &PLAIN[quantization..frame], &PLAIN[end_of_frame..scan], b"\xff\xd9"]
            .concat();
    let data = [b"\xff\xd8", &PLAIN[frame..end_of_frame], &PLAIN[scan..]].concat();
    let limits = Limits::default();
    let strip = Strip::open(&tables, &data, StripColour::FromYcbcr, &limits).unwrap();
    assert_eq!((strip.size(), strip.samples()), ((33, 21), 3));
    assert_eq!(strip.decode().unwrap(), pixels(PLAIN).unwrap().into_raw());
    let stored = Strip::open(&tables, &data, StripColour::Stored, &limits).unwrap();
    assert_ne!(stored.decode().unwrap(), pixels(PLAIN).unwrap().into_raw());
    let without = Strip::open(&[], &data, StripColour::Stored, &limits).unwrap().decode();
    assert!(matches!(without, Err(ClassifyError::Corrupt { format: "TIFF" })), "{without:?}");
}
