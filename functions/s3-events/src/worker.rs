//! Processing one object: afterwards there is a result for it, or for a later version of it.
//!
//! Events come twice, late and in disorder, and several invocations may work on one key at the same
//! time. So a result is written only over the one that was compared with, and a comparison that lost
//! its race is made again.

use std::cmp::Ordering;
use std::sync::atomic::{self, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use glimpse_budget::{Admission, Client, Share, Work};
use glimpse_classifier::{Classifier, ClassifyError, Options, Prediction, Request};
use glimpse_model_store::ModelStore;
use glimpse_objects::{Location, Objects};
use glimpse_telemetry::measure;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::EventsConfig;
use crate::document::{Content, Model, ResultDocument, SourceObject};
use crate::error::Failure;
use crate::object::Object;
use crate::results::{self, Existing, Put};
use crate::source::{self, Found};

/// Races are rare; one that is lost this often is not one.
const ATTEMPTS: u32 = 6;
const BACKOFF: Duration = Duration::from_millis(20);
/// Bytes of a permit of the room for objects.
const PIECE: usize = 1 << 10;

/// How an object was processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processed {
    /// There is a new result with a label.
    Labelled,
    /// There is a new result that says under which code the object has no label.
    Refused(&'static str),
    /// The result is there already.
    Unchanged,
    /// There is, or will be, the result of a later version.
    Superseded,
    /// It is in the results bucket; processing it would loop.
    Skipped,
}

/// Processes objects; cloning shares it.
#[derive(Clone)]
pub struct Worker {
    store: ModelStore,
    objects: Objects,
    config: Arc<EventsConfig>,
    /// One picture a core is decoded or inferred at a time, as far as memory goes.
    admission: Admission,
    /// For the objects of all events that are in memory; made when the model was.
    room: Arc<OnceLock<Arc<Semaphore>>>,
    /// Of objects so far.
    count: Arc<AtomicU64>,
}

/// An object that is worked on.
#[derive(Clone, Copy)]
struct Turn {
    client: Client,
    deadline: Instant,
}

/// The bytes of an object and their room, until nobody works on them any more.
struct InMemory {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// The object as it was found, with its labels or why it has none.
struct Classified {
    found: Object,
    content: Content,
}

impl Worker {
    /// Build the worker; does no work.
    #[must_use]
    pub fn new(store: ModelStore, objects: Objects, config: EventsConfig) -> Self {
        let admission = Admission::new(Share::now(config.memory_budget).pictures);
        Self {
            store,
            objects,
            config: Arc::new(config),
            admission,
            room: Arc::default(),
            count: Arc::default(),
        }
    }

    /// Where the model comes from.
    pub(crate) fn store(&self) -> &ModelStore {
        &self.store
    }

    /// Objects of one event that may be worked on at the same time.
    pub(crate) fn max_in_flight(&self) -> usize {
        self.config.max_in_flight
    }

    /// What the model leaves for objects, and at least as much as one of the largest size needs.
    fn room(&self) -> Arc<Semaphore> {
        let made = self.room.get_or_init(|| {
            let share = Share::now(self.config.memory_budget);
            self.admission.set_bytes(share.pictures);
            let bytes = usize::try_from(share.bodies).unwrap_or(usize::MAX);
            let pieces = (bytes / PIECE).max(pieces(self.config.max_object_bytes) as usize);
            Arc::new(Semaphore::new(pieces.min(Semaphore::MAX_PERMITS)))
        });
        made.clone()
    }

    /// See to it that there is a result for `object` before `deadline`.
    ///
    /// # Errors
    /// When something else than the object is at fault, or what is left of the time may not be enough.
    pub async fn process(&self, object: &Object, deadline: Instant) -> Result<Processed, Failure> {
        let bucket = &self.config.results_bucket;
        if object.bucket == *bucket {
            return Ok(Processed::Skipped);
        }
        let result = Location::new(bucket, results::key_of(object)?);
        let classifier = self.store.get().await?;
        let number = self.count.fetch_add(1, atomic::Ordering::Relaxed);
        let turn = Turn { client: Client::Object(number), deadline };
        let model = Model::from(classifier.manifest());
        // An upload has no result yet, so the first attempt looks for none. Without a sequencer,
        // the result is read before the object, so the object is at least as new.
        let mut existing = match object.sequencer {
            Some(_) => None,
            None => results::read(&self.objects, &result).await?,
        };
        let mut known: Option<Classified> = None;
        for attempt in 0..ATTEMPTS {
            tokio::time::sleep(BACKOFF * attempt).await;
            if let Some(processed) = already_processed(object, &model, existing.as_ref()) {
                return Ok(processed);
            }
            let classified = match known.take().filter(|_| object.sequencer.is_some()) {
                Some(known) => known,
                None => match self.classify(&classifier, object, turn).await? {
                    Some(classified) => classified,
                    None => return Ok(Processed::Superseded),
                },
            };
            let bytes = render(&classified, &model, existing.as_ref(), object)?;
            let Some(bytes) = bytes else { return Ok(Processed::Unchanged) };
            match results::write(&self.objects, &result, bytes, existing.as_ref()).await? {
                Put::Done => return Ok(processed_as(&classified.content)),
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
        turn: Turn,
    ) -> Result<Option<Classified>, Failure> {
        let limit = self.config.max_object_bytes;
        let most = pieces(limit);
        let room = self.room().acquire_many_owned(most).await;
        let mut room = room.map_err(|_| Failure::ShuttingDown)?;
        let (found, content) = match source::read(&self.objects, object, limit as u64).await? {
            Found::Replaced => return Ok(None),
            Found::Deleted => {
                (object.clone(), Content::refused("not_found", &"the object is there no more"))
            }
            Found::TooLarge(found) => {
                let detail =
                    format!("the object is larger than {limit} bytes (GLIMPSE_MAX_OBJECT_BYTES)");
                (found, Content::refused("payload_too_large", &detail))
            }
            Found::Whole(found, bytes) if bytes.is_empty() => {
                (found, Content::refused("missing_image", &"the object is empty"))
            }
            Found::Whole(found, bytes) => {
                // Small objects that wait, for a processor or for others, keep no large one out.
                drop(room.split(most.saturating_sub(pieces(bytes.len())) as usize));
                let object = Arc::new(InMemory { bytes, _room: room });
                (found, self.classify_bytes(classifier, &object, turn).await?)
            }
        };
        Ok(Some(Classified { found, content }))
    }

    /// Classify the bytes; where the label is close at reduced scale, again at full scale.
    async fn classify_bytes(
        &self,
        classifier: &Arc<Classifier>,
        object: &Arc<InMemory>,
        turn: Turn,
    ) -> Result<Content, Failure> {
        let request = Request::default();
        let mut result = self.admitted(classifier, object, request, turn).await?;
        if let Ok(first) = &mut result
            && first.is_close
        {
            let full = self.admitted(classifier, object, request.at_full_scale(), turn).await?;
            first.replace_by(full.ok());
        }
        match result {
            Ok(prediction) => {
                let timing = prediction.timing;
                measure::prediction(timing.decode, timing.preprocess, timing.infer);
                if prediction.decoded_again {
                    measure::decoded_again();
                }
                Ok(prediction.into())
            }
            Err(error) if error.is_bad_picture() => Ok(Content::refused(error.code(), &error)),
            Err(error) => Err(Failure::Model(error)),
        }
    }

    /// One decoding and one run, on a thread that may block. Memory and processor are taken until the
    /// thread is done, also when the invocation has given up the object meanwhile.
    async fn admitted(
        &self,
        classifier: &Arc<Classifier>,
        object: &Arc<InMemory>,
        request: Request,
        turn: Turn,
    ) -> Result<Result<Prediction, ClassifyError>, Failure> {
        let (_, cost) = match classifier.announced(&object.bytes, request) {
            Ok(announced) => announced,
            Err(error) => return Ok(Err(error)),
        };
        // What would be given up takes time from what can be done.
        let longest = self.config.pace.longest(cost.time);
        let in_time = || (turn.left() >= longest).then_some(()).ok_or(Failure::Deadline);
        in_time()?;
        let (bytes, sent_bytes) = (cost.peak_bytes, object.bytes.len() as u64);
        let work = Work { client: turn.client, bytes, time: cost.time, sent_bytes };
        let permit = match self.admission.enter(work).await {
            Ok(permit) => permit,
            Err(over) => return Ok(Err(ClassifyError::TooMuchMemory { limit: over.budget })),
        };
        in_time()?;
        let (classifier, object) = (classifier.clone(), object.clone());
        let classified = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let prepared = classifier.prepare_page(&object.bytes, request)?;
            drop(object);
            classifier.classify_one(&prepared, &Options::default())
        });
        Ok(classified.await?)
    }
}

impl Turn {
    fn left(self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Of the room that so many bytes need; settings keep objects under a gibibyte.
fn pieces(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX)
}

/// Whether the existing result is that of `object`, or of a later version of it.
fn already_processed(
    object: &Object,
    model: &Model,
    existing: Option<&Existing>,
) -> Option<Processed> {
    let head = existing?.head.as_ref()?;
    let (sequencer, theirs) = (object.sequencer.as_ref()?, head.source.sequencer()?);
    match theirs.cmp(sequencer) {
        Ordering::Less => None,
        Ordering::Greater => Some(Processed::Superseded),
        Ordering::Equal => match (&object.etag, &head.source.etag) {
            // A back-fill keeps the sequencer, and may have seen what a later event tells of.
            (Some(ours), Some(theirs)) if ours != theirs => Some(Processed::Superseded),
            // An object that says which content it is must have the result of that one.
            (Some(_), None) => None,
            _ => (head.model == *model).then_some(Processed::Unchanged),
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
    let source = SourceObject::of(&classified.found, sequencer.as_ref());
    let document = ResultDocument::new(source, model.clone(), &classified.content);
    let bytes = document.to_bytes()?;
    Ok(existing.is_none_or(|existing| existing.bytes != bytes).then_some(bytes))
}

fn processed_as(content: &Content) -> Processed {
    content.code().map_or(Processed::Labelled, Processed::Refused)
}
