//! Nothing is used before its checksum is checked: the types here are made by checking only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use glimpse_classifier::{FileEntry, Graph, Labels, Manifest};
use sha2::{Digest as _, Sha256};

use crate::digest::Sha256Digest;
use crate::error::LoadError;

/// The file that describes the others.
pub(crate) const MANIFEST: &str = "bundle.json";
/// The class names.
pub(crate) const LABELS: &str = "labels.txt";
/// The network's last layer.
pub(crate) use glimpse_classifier::HEAD_FILE as HEAD;
/// The network, for every version of ONNX Runtime.
const MODEL: &str = Graph::Portable.file();

/// `bundle.json` and `labels.txt` are read by people; more than this is a mistake.
pub(crate) const MAX_TEXT_BYTES: u64 = 4 << 20;

/// Hashes a file piece by piece, and joins the pieces again.
#[derive(Default)]
pub(crate) struct Hasher {
    hasher: Sha256,
    bytes: BytesMut,
    took: Duration,
}

impl Hasher {
    /// The next piece. Pieces split from one buffer are joined without a copy.
    pub(crate) fn push(&mut self, piece: BytesMut) {
        let started = Instant::now();
        self.hasher.update(&piece);
        self.bytes.unsplit(piece);
        self.took += started.elapsed();
    }

    pub(crate) fn finish(self) -> Hashed {
        let digest = Sha256Digest::finish(self.hasher);
        Hashed { bytes: self.bytes.freeze(), digest, took: self.took }
    }
}

/// A file's content with the checksum of exactly these bytes.
pub(crate) struct Hashed {
    bytes: Bytes,
    digest: Sha256Digest,
    took: Duration,
}

impl Hashed {
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let started = Instant::now();
        let digest = Sha256Digest::of(&bytes);
        Self { bytes: bytes.into(), digest, took: started.elapsed() }
    }
}

/// `bundle.json`, checked against the expected digest if there is one.
pub(crate) struct VerifiedManifest {
    text: Hashed,
    manifest: Manifest,
}

impl VerifiedManifest {
    pub(crate) fn verify(text: Hashed, expected: Option<&Sha256Digest>) -> Result<Self, LoadError> {
        if let Some(expected) = expected
            && text.digest != *expected
        {
            return Err(LoadError::Checksum {
                file: MANIFEST,
                found: text.digest,
                expected: expected.to_string(),
                promised_by: "the expected digest",
            });
        }
        let manifest = Manifest::parse(&text.bytes).map_err(Arc::new)?;
        Ok(Self { text, manifest })
    }

    pub(crate) fn digest(&self) -> Sha256Digest {
        self.text.digest
    }

    /// What it says.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The size of its model, as it says.
    pub(crate) fn model_bytes(&self) -> u64 {
        self.entry(MODEL).map_or(0, |entry| entry.bytes)
    }

    /// Refuse a `file` whose size is known to be wrong, before it is read.
    pub(crate) fn check_size(&self, file: &'static str, found: u64) -> Result<(), LoadError> {
        let expected = self.entry(file)?.bytes;
        if found == expected { Ok(()) } else { Err(LoadError::Size { file, found, expected }) }
    }

    /// The whole bundle, if both files are what `bundle.json` promises; `model` is that of `graph`.
    pub(crate) fn complete(
        self,
        labels: Hashed,
        graph: Graph,
        model: Hashed,
    ) -> Result<VerifiedBundle, LoadError> {
        self.check(LABELS, &labels)?;
        self.check(graph.file(), &model)?;
        Ok(VerifiedBundle {
            parsed_labels: Labels::parse(&labels.bytes).map_err(Arc::new)?,
            hashing: self.text.took + labels.took + model.took,
            digest: self.text.digest,
            manifest: self.manifest,
            text: self.text.bytes,
            labels: labels.bytes,
            graph,
            model: model.bytes,
        })
    }

    fn check(&self, file: &'static str, content: &Hashed) -> Result<(), LoadError> {
        check_entry(file, self.entry(file)?, content)
    }

    fn entry(&self, file: &'static str) -> Result<&FileEntry, LoadError> {
        let missing = || Arc::new(glimpse_classifier::BundleError::MissingFile(file));
        Ok(self.manifest.files.get(file).ok_or_else(missing)?)
    }
}

/// A bundle whose every byte is what `bundle.json` promises; only [`VerifiedManifest::complete`] makes it.
/// Clones share the bytes.
#[derive(Clone)]
pub(crate) struct VerifiedBundle {
    digest: Sha256Digest,
    manifest: Manifest,
    parsed_labels: Labels,
    text: Bytes,
    labels: Bytes,
    graph: Graph,
    model: Bytes,
    hashing: Duration,
}

impl VerifiedBundle {
    pub(crate) fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// What `bundle.json` says.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Only `bundle.json` of it, to read the rest again.
    pub(crate) fn into_manifest(self) -> VerifiedManifest {
        let text = Hashed { bytes: self.text, digest: self.digest, took: Duration::ZERO };
        VerifiedManifest { text, manifest: self.manifest }
    }

    /// Which graph its model is.
    pub(crate) fn graph(&self) -> Graph {
        self.graph
    }

    /// What a classifier is made of.
    pub(crate) fn into_content(self) -> (Manifest, Labels, Bytes) {
        (self.manifest, self.parsed_labels, self.model)
    }

    /// What `bundle.json` promises of a head, if it lists one.
    pub(crate) fn head(&self) -> Option<ExpectedHead> {
        self.manifest.files.get(HEAD).cloned().map(ExpectedHead)
    }

    /// Time spent hashing.
    pub(crate) fn hashing(&self) -> Duration {
        self.hashing
    }

    /// The files as they were read.
    pub(crate) fn files(&self) -> [(&'static str, &[u8]); 3] {
        [(MANIFEST, &self.text), (LABELS, &self.labels), (self.graph.file(), &self.model)]
    }
}

/// What `head.safetensors` of a verified bundle must be.
#[derive(Clone)]
pub(crate) struct ExpectedHead(FileEntry);

impl ExpectedHead {
    /// Its bytes, if they are what `bundle.json` promises.
    pub(crate) fn verify(&self, content: Hashed) -> Result<Vec<u8>, LoadError> {
        check_entry(HEAD, &self.0, &content)?;
        Ok(content.bytes.into())
    }
}

fn check_entry(
    file: &'static str,
    expected: &FileEntry,
    content: &Hashed,
) -> Result<(), LoadError> {
    let found = content.bytes.len() as u64;
    if found != expected.bytes {
        return Err(LoadError::Size { file, found, expected: expected.bytes });
    }
    if content.digest.to_string() == expected.sha256 {
        return Ok(());
    }
    Err(LoadError::Checksum {
        file,
        found: content.digest,
        expected: expected.sha256.clone(),
        promised_by: MANIFEST,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The `bundle.json` of a bundle with these contents; not one that ONNX Runtime would load.
    pub(crate) fn describe(labels: &[u8], model: &[u8]) -> Vec<u8> {
        let entry = |content: &[u8]| {
            serde_json::json!({"sha256": Sha256Digest::of(content).to_string(),
                               "bytes": content.len()})
        };
        serde_json::json!({
            "schema_version": 2, "name": "m", "version": "1", "created_at": "2026-01-01T00:00:00Z",
            "files": {MODEL: entry(model), LABELS: entry(labels)},
            "input": {"height": 8, "width": 8, "resize": {"mode": "shorter-side", "size": 8}},
            "license": "MIT"
        })
        .to_string()
        .into_bytes()
    }

    fn manifest() -> VerifiedManifest {
        let text = describe(b"cat\n", b"weights");
        VerifiedManifest::verify(Hashed::of(text), None).unwrap()
    }

    #[test]
    fn only_the_promised_bytes_make_a_bundle() {
        let with = |labels: &[u8], model: &[u8]| {
            let (labels, model) = (Hashed::of(labels.to_vec()), Hashed::of(model.to_vec()));
            manifest().complete(labels, Graph::Portable, model)
        };
        assert!(with(b"cat\n", b"weights").is_ok());
        let swapped = with(b"dog\n", b"weights").err();
        assert!(matches!(swapped, Some(LoadError::Checksum { file: LABELS, .. })));
        let flipped = with(b"cat\n", b"weighty").err();
        assert!(matches!(flipped, Some(LoadError::Checksum { file: MODEL, .. })));
        let short = with(b"cat\n", b"weight").err();
        assert!(matches!(short, Some(LoadError::Size { found: 6, expected: 7, .. })));
    }

    #[test]
    fn an_expected_digest_admits_one_manifest() {
        let text = describe(b"cat\n", b"weights");
        let expected = Sha256Digest::of(&text);
        assert!(VerifiedManifest::verify(Hashed::of(text), Some(&expected)).is_ok());
        let other =
            VerifiedManifest::verify(Hashed::of(describe(b"dog\n", b"weights")), Some(&expected));
        assert!(matches!(other.err(), Some(LoadError::Checksum { file: MANIFEST, .. })));
    }

    #[test]
    fn hashing_in_pieces_joins_them_in_place() {
        let mut whole = BytesMut::from(&b"weights"[..]);
        let address = whole.as_ptr();
        let head = whole.split_to(3);
        let mut hasher = Hasher::default();
        hasher.push(head);
        hasher.push(whole);
        let hashed = hasher.finish();
        assert_eq!(hashed.bytes, b"weights"[..]);
        assert_eq!(hashed.digest, Sha256Digest::of(b"weights"));
        assert_eq!(hashed.bytes.as_ptr(), address);
    }
}
