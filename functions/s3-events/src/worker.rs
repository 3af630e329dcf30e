//! Settling one object: afterwards there is a result for it, or for a later version of it.
//!
//! Events come twice, late and in disorder, and several invocations may work on one key at the same
//! time. So a result is written only over the one that was compared with, and a comparison that lost
//! its race is made again.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use glimpse_classifier::{Classifier, Options};
use glimpse_model_store::ModelStore;
use glimpse_objects::{Location, Objects};
use glimpse_telemetry::measure;
use tokio::sync::Semaphore;

use crate::config::EventsConfig;
use crate::object::Object;
use crate::record::{Content, Model, Record, Source};
use crate::results::{self, Existing, Put};
use crate::source::{self, Fetched};

/// Races are rare; one that is lost this often is not one.
const ATTEMPTS: u32 = 6;
const BACKOFF: Duration = Duration::from_millis(20);

/// How an object was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There is a new result with a label.
    Labelled,
    /// There is a new result that says under which code the object has no label.
    Refused(&'static str),
    /// The result is there already.
    Unchanged,
    /// There is, or will be, the result of a later version.
    Superseded,
    /// It lies where results are written, and a result of it would have a result.
    Skipped,
}

/// Why an object was not settled; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The bundle cannot be fetched or verified; the log of the load says why.
    #[error("the model cannot be loaded")]
    ModelUnavailable,
    /// S3 throttles, or cannot be reached.
    #[error("the object cannot be read from S3 at the moment")]
    SourceUnreachable,
    /// S3 refuses: permissions, or an archived object.
    #[error("the object may not be read; the function needs s3:GetObject and s3:ListBucket")]
    SourceDenied,
    /// The results' bucket cannot be read or written.
    #[error("the results bucket cannot be read or written at the moment")]
    ResultsUnavailable,
    /// Others wrote the same result again and again.
    #[error("the result was overwritten again and again by others")]
    Contended,
    /// The key of the result would be over S3's limit.
    #[error("the key is so long that its result's key would be over 1024 bytes")]
    KeyTooLong,
    /// The invocation has no time left.
    #[error("there was not enough time left in this invocation")]
    Deadline,
    /// The model failed on it, not the picture.
    #[error("the model failed")]
    Model,
    /// A picture ended its thread, which nothing should cause.
    #[error("something went wrong that is not the object's fault")]
    Internal,
}

impl Failure {
    /// The stable code, for metrics and for results of S3 Batch Operations.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ModelUnavailable => "model_unavailable",
            Self::SourceUnreachable | Self::SourceDenied => "object_unavailable",
            Self::ResultsUnavailable => "results_unavailable",
            Self::Contended => "contended",
            Self::KeyTooLong => "key_too_long",
            Self::Deadline => "deadline",
            Self::Model | Self::Internal => "internal",
        }
    }

    /// Whether it will be no better the next time.
    #[must_use]
    pub fn is_permanent(self) -> bool {
        matches!(self, Self::KeyTooLong | Self::SourceDenied | Self::Model)
    }
}

/// Settles objects; cloning shares it.
#[derive(Clone)]
pub struct Worker {
    store: ModelStore,
    objects: Objects,
    config: Arc<EventsConfig>,
    /// First come, first served: one picture a core is decoded or inferred at a time.
    cores: Arc<Semaphore>,
}

/// What an object came to, as it was found.
struct Classified {
    found: Object,
    content: Content,
}

impl Worker {
    /// Build the worker; does no work.
    #[must_use]
    pub fn new(store: ModelStore, objects: Objects, config: EventsConfig) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { store, objects, config: Arc::new(config), cores: Arc::new(Semaphore::new(cores)) }
    }

    /// Objects that may be worked on at the same time.
    pub(crate) fn max_in_flight(&self) -> usize {
        self.config.max_in_flight
    }

    /// See to it that there is a result for `object`.
    ///
    /// # Errors
    /// When something else than the object is at fault.
    pub async fn settle(&self, object: &Object) -> Result<Outcome, Failure> {
        let bucket = &self.config.results_bucket;
        if object.bucket == *bucket {
            return Ok(Outcome::Skipped);
        }
        let result = Location::new(bucket, results::key_of(object)?);
        let classifier = self.store.get().await.map_err(|_| Failure::ModelUnavailable)?;
        let model = Model::from(classifier.manifest());
        // An upload has no result yet, so the first attempt looks for none. Without a sequencer the
        // order is that of reading: first the result, then the object, which is not the older one.
        let mut existing = match object.sequencer {
            Some(_) => None,
            None => results::read(&self.objects, &result).await?,
        };
        let mut known: Option<Classified> = None;
        for attempt in 0..ATTEMPTS {
            tokio::time::sleep(BACKOFF * attempt).await;
            if let Some(outcome) = settled(object, &model, existing.as_ref()) {
                return Ok(outcome);
            }
            let classified = match known.take().filter(|_| object.sequencer.is_some()) {
                Some(known) => known,
                None => match self.classify(&classifier, object).await? {
                    Some(classified) => classified,
                    None => return Ok(Outcome::Superseded),
                },
            };
            let bytes = render(&classified, &model, existing.as_ref(), object)?;
            let Some(bytes) = bytes else { return Ok(Outcome::Unchanged) };
            match results::write(&self.objects, &result, bytes, existing.as_ref()).await? {
                Put::Done => return Ok(outcome_of(&classified.content)),
                Put::Conflict => existing = results::read(&self.objects, &result).await?,
            }
            known = Some(classified);
        }
        Err(Failure::Contended)
    }

    /// Fetch and classify; `None` where a later event tells of another version.
    async fn classify(
        &self,
        classifier: &Arc<Classifier>,
        object: &Object,
    ) -> Result<Option<Classified>, Failure> {
        let limit = self.config.max_object_bytes;
        let (found, content) = match source::fetch(&self.objects, object, limit as u64).await? {
            Fetched::Replaced => return Ok(None),
            Fetched::Gone => {
                (object.clone(), Content::refused("not_found", &"the object is there no more"))
            }
            Fetched::TooLarge(found) => {
                let detail =
                    format!("the object is larger than {limit} bytes (GLIMPSE_MAX_OBJECT_BYTES)");
                (found, Content::refused("payload_too_large", &detail))
            }
            Fetched::Whole(found, bytes) if bytes.is_empty() => {
                (found, Content::refused("missing_image", &"the object is empty"))
            }
            Fetched::Whole(found, bytes) => (found, self.look(classifier.clone(), bytes).await?),
        };
        Ok(Some(Classified { found, content }))
    }

    /// Classify the bytes on a thread that may block.
    async fn look(&self, classifier: Arc<Classifier>, bytes: Vec<u8>) -> Result<Content, Failure> {
        let _core = self.cores.acquire().await.map_err(|_| Failure::Internal)?;
        let look = move || classifier.classify(&bytes, &Options::default());
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok(prediction)) => {
                let timing = prediction.timing;
                measure::prediction(timing.decode, timing.preprocess, timing.infer);
                Ok(prediction.into())
            }
            Ok(Err(error)) if error.is_bad_picture() => Ok(Content::refused(error.code(), &error)),
            Ok(Err(error)) => {
                tracing::error!(%error, source = ?std::error::Error::source(&error), "inference failed");
                Err(Failure::Model)
            }
            Err(error) => {
                tracing::error!(%error, "a classification did not end");
                Err(Failure::Internal)
            }
        }
    }
}

/// How `object` is settled by the result that exists, if it is.
fn settled(object: &Object, model: &Model, existing: Option<&Existing>) -> Option<Outcome> {
    let head = existing?.head.as_ref()?;
    let (sequencer, theirs) = (object.sequencer.as_ref()?, head.source.sequencer()?);
    match theirs.cmp(sequencer) {
        Ordering::Less => None,
        Ordering::Greater => Some(Outcome::Superseded),
        Ordering::Equal => match (&object.etag, &head.source.etag) {
            // A back-fill keeps the sequencer, and may have seen what a later event tells of.
            (Some(ours), Some(theirs)) if ours != theirs => Some(Outcome::Superseded),
            // An object that says which content it is must have the result of that one.
            (Some(_), None) => None,
            _ => (head.model == *model).then_some(Outcome::Unchanged),
        },
    }
}

/// The bytes to write; `None` where the existing result stays.
fn render(
    classified: &Classified,
    model: &Model,
    existing: Option<&Existing>,
    object: &Object,
) -> Result<Option<Vec<u8>>, Failure> {
    let theirs = existing.and_then(|existing| existing.head.as_ref()?.source.sequencer());
    let is_later = object.sequencer > theirs;
    // That an object is gone says nothing new of the content that has a result.
    if classified.content.code() == Some("not_found") && existing.is_some() && !is_later {
        return Ok(None);
    }
    let sequencer = object.sequencer.clone().or(theirs);
    let source = Source::of(&classified.found, sequencer.as_ref());
    let record = Record::new(source, model.clone(), &classified.content);
    let bytes = record.to_bytes().map_err(|_| Failure::Internal)?;
    Ok(existing.is_none_or(|existing| existing.bytes != bytes).then_some(bytes))
}

fn outcome_of(content: &Content) -> Outcome {
    content.code().map_or(Outcome::Labelled, Outcome::Refused)
}
