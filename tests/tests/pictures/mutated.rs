//! Bytes that nobody meant as a picture: every answer is a prediction or an error, never a panic.

use std::sync::LazyLock;
use std::time::Duration;

use glimpse_api::ApiConfig;
use glimpse_classifier::{FormatSet, Limits, decode};
use glimpse_model_store::{ModelStore, StoreConfig};
use glimpse_objects::Objects;
use image::{DynamicImage, ImageFormat};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::common::api::{Api, store_config};
use crate::common::encode::{FORMATS, encode, textured};
use crate::common::toy;

/// Small ones, so that a header that lies costs little time.
const LIMITS: Limits = Limits {
    max_pixels: 1_000_000,
    max_decoded_bytes: 16 << 20,
    max_time: Duration::from_secs(2),
    slowness: 1,
    formats: FormatSet::ALL,
};

static TOY: LazyLock<Api> = LazyLock::new(|| {
    let folder = toy::bundle(toy::Graph::MeanColour);
    let config = StoreConfig { limits: LIMITS, ..store_config(folder.path()) };
    let api = Api::new(ModelStore::new(config, Objects::from_env()), ApiConfig::default());
    assert_eq!(api.get("/model").status, 200);
    api
});

/// Small files of every format, in the pixel types that it has.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let picture = textured(24, 17);
    let mut seeds: Vec<Vec<u8>> =
        FORMATS.iter().map(|(_, format)| encode(&picture, *format)).collect();
    let variants: [(ImageFormat, DynamicImage); 6] = [
        (ImageFormat::Png, picture.to_rgba16().into()),
        (ImageFormat::Png, picture.to_luma_alpha8().into()),
        (ImageFormat::Jpeg, picture.to_luma8().into()),
        (ImageFormat::WebP, picture.to_rgba8().into()),
        (ImageFormat::Tiff, picture.to_luma16().into()),
        (ImageFormat::Bmp, picture.to_rgba8().into()),
    ];
    seeds.extend(variants.iter().map(|(format, picture)| encode(picture, *format)));
    seeds
});

#[derive(Debug, Clone)]
enum Mutation {
    Set(Index, u8),
    Flip(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize),
    Truncate(Index),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        let end = |at: usize, count: usize| (at + count).min(length);
        match self {
            Self::Set(at, value) => bytes[at.index(length)] = *value,
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << (bit % 8),
            Self::Remove(at, count) => {
                let at = at.index(length);
                bytes.drain(at..end(at, *count));
            }
            Self::Insert(at, what) => {
                let at = at.index(length);
                bytes.splice(at..at, what.iter().copied());
            }
            Self::Repeat(at, count) => {
                let at = at.index(length);
                let piece = bytes[at..end(at, *count)].to_vec();
                bytes.splice(at..at, piece);
            }
            Self::Truncate(at) => bytes.truncate(at.index(length)),
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    // Sizes and offsets are near the beginning, and extremes are what breaks them.
    let extreme = prop_oneof![Just(0), Just(1), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()];
    prop_oneof![
        4 => (any::<Index>(), extreme).prop_map(|(at, value)| Mutation::Set(at, value)),
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        1 => (any::<Index>(), 1..64_usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        1 => (any::<Index>(), vec(any::<u8>(), 1..16)).prop_map(|(at, w)| Mutation::Insert(at, w)),
        1 => (any::<Index>(), 1..64_usize).prop_map(|(at, count)| Mutation::Repeat(at, count)),
        1 => any::<Index>().prop_map(Mutation::Truncate),
    ]
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let seed = any::<Index>().prop_map(|seed| SEEDS[seed.index(SEEDS.len())].clone());
    (seed, vec(mutation(), 1..6)).prop_map(|(mut bytes, mutations)| {
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        bytes
    })
}

/// Bytes at random, and behind each signature, so that they reach a decoder.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let signatures: Vec<&[u8]> = vec![
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"GIF89a",
        b"BM",
        b"II*\0",
        b"MM\0*",
        b"RIFF\xff\xff\0\0WEBPVP8 ",
        b"RIFF\xff\xff\0\0WEBPVP8L",
        b"RIFF\xff\xff\0\0WEBPVP8X",
    ];
    let signature = proptest::sample::select(signatures);
    (signature, vec(any::<u8>(), 0..512)).prop_map(|(signature, rest)| [signature, &rest].concat())
}

fn decodes_or_is_refused(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(picture) = decode(bytes, &LIMITS) {
        let (width, height) = picture.pixels.dimensions();
        let pixels = u64::from(width) * u64::from(height);
        prop_assert!((1..=LIMITS.max_pixels).contains(&pixels), "{width} × {height}");
    }
    Ok(())
}

fn is_answered(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let answer = TOY.post("/predict", "image/*", bytes);
    match answer.status {
        200 => {
            answer.ok();
        }
        400 => drop(answer.problem(400, "missing_image")),
        413 => drop(answer.problem(413, "image_too_large")),
        415 => drop(answer.problem(415, "unsupported_image_format")),
        422 => drop(answer.problem(422, "corrupt_image")),
        status => prop_assert!(false, "{status}: {:?}", answer.body),
    }
    Ok(())
}

fn config(cases: u32) -> ProptestConfig {
    // A failure is printed with its bytes; files beside the sources would not be committed.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn a_mutated_picture_decodes_or_is_refused(bytes in mutated()) {
        decodes_or_is_refused(&bytes)?;
    }

    #[test]
    fn noise_decodes_or_is_refused(bytes in noise()) {
        decodes_or_is_refused(&bytes)?;
    }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn a_mutated_picture_is_answered(bytes in mutated()) {
        is_answered(bytes)?;
    }

    #[test]
    fn noise_is_answered(bytes in noise()) {
        is_answered(bytes)?;
    }

    #[test]
    fn text_that_is_almost_a_request_is_answered(
        text in r#"[{\[]?("image(_data|s)?"|"top_k"|"s3")?:?["\[]?[A-Za-z0-9+/=,\-_ ]{0,40}["\]}]{0,3}"#
    ) {
        let status = TOY.post("/predict", "application/json", text).status;
        prop_assert!((400..500).contains(&status) || status == 200, "{status}");
    }
}
