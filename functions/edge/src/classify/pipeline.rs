//! Reading and decoding beside the session, so that neither waits for the other.
//!
//! A feeder gives every picture a place in a queue and its work to a pool of threads; the places
//! are taken in order, so the results are in order, and no more pictures are held than the queue
//! has places.

use std::io;
use std::io::stdin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use glimpse_budget::Admission;
use glimpse_classifier::{Classifier, Options, Prediction, Prepared, RUN_SIZE, Request};
use glimpse_objects::{Location, Object};

use super::reduced::Reduced;
use crate::admitted::{self, Files};
use crate::name::Name;
use crate::signals::Stop;
use crate::source::{Bucket, Failure, Item, Source, read, read_file};
use crate::stamp::Stamp;

/// Pictures on their way: the session never finds the queue empty while decoding keeps up.
const PLACES: usize = 4 * RUN_SIZE;
/// How often a wait for a picture checks whether the program is to end.
const POLL: Duration = Duration::from_millis(100);

/// A picture's name and its result.
pub type Done = (Name, Result<Prediction, Failure>);

/// A picture that can be run, and where it is read again if it was decoded at reduced scale.
type Ready = Result<(Prepared, Option<Reduced>), Failure>;

/// Everything but the pictures.
pub struct Pipeline<'a> {
    /// Decodes and infers.
    pub model: Arc<Classifier>,
    /// Memory and processors for decoding.
    pub admission: Admission,
    /// Memory for what is read.
    pub files: Files,
    /// For every picture.
    pub options: Options,
    /// Fetches what is in S3.
    pub bucket: Bucket,
    /// Largest file in bytes.
    pub limit: u64,
    /// Set from outside to end early: what is done by then is emitted.
    pub stop: &'a Stop,
}

struct Place {
    name: Name,
    ready: Receiver<Ready>,
}

impl Pipeline<'_> {
    /// Classify `pictures`; `emit` gets them in order, a run at a time.
    ///
    /// # Errors
    /// As soon as `emit` fails, or when threads cannot be started.
    pub fn run(
        &self,
        pictures: impl Iterator<Item = Item> + Send,
        mut emit: impl FnMut(Vec<Done>) -> io::Result<()>,
    ) -> io::Result<()> {
        let pool = rayon::ThreadPoolBuilder::new()
            // Nothing should panic; if it does, the place stays empty, and that is reported.
            .panic_handler(|_| ())
            .build()
            .map_err(io::Error::other)?;
        let (places, queue) = sync_channel(PLACES);
        thread::scope(|scope| {
            scope.spawn(|| self.feed(pictures, &pool, places));
            let mut batch = Vec::with_capacity(RUN_SIZE);
            for Place { name, ready } in &queue {
                let Some(ready) = self.wait(&ready) else { break };
                batch.push((name, ready));
                if batch.len() == RUN_SIZE {
                    emit(self.infer(std::mem::take(&mut batch)))?;
                }
            }
            // No more places are taken, so the feeder ends.
            drop(queue);
            if batch.is_empty() { Ok(()) } else { emit(self.infer(batch)) }
        })
    }

    /// The picture, or nothing when the program is to end.
    fn wait(&self, ready: &Receiver<Ready>) -> Option<Ready> {
        while !self.stop.is_set() {
            match ready.recv_timeout(POLL) {
                Ok(ready) => return Some(ready),
                Err(RecvTimeoutError::Disconnected) => return Some(Err(Failure::Internal)),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        None
    }

    #[allow(clippy::needless_pass_by_value)] // Dropped at the end, which ends the queue.
    fn feed(
        &self,
        pictures: impl Iterator<Item = Item>,
        pool: &rayon::ThreadPool,
        places: SyncSender<Place>,
    ) {
        for picture in pictures {
            let (ready, place) = sync_channel(1);
            let name = match &picture {
                Ok(source) => source.name(),
                Err((name, _)) => name.clone(),
            };
            if places.send(Place { name, ready: place }).is_err() {
                return;
            }
            match picture {
                Ok(source) => self.prepare(source, pool, ready),
                Err((_, failure)) => send(&ready, Err(failure)),
            }
        }
    }

    /// Have the picture read, decoded and fitted, and the result sent to `ready`.
    fn prepare(&self, source: Source, pool: &rayon::ThreadPool, ready: SyncSender<Ready>) {
        let model = (self.model.clone(), self.admission.clone());
        let (files, limit) = (self.files.clone(), self.limit);
        let request = Request::of(&self.options);
        match source {
            Source::File(path) => pool.spawn_fifo(move || {
                let seen = read_file(&path, limit, |bytes| Ok(files.enter_blocking(bytes)?));
                let prepared = seen.and_then(|(seen, _held)| {
                    let prepared = decode(&model, request, &seen.bytes)?;
                    let state = Stamp::from(&seen.after);
                    Ok(or_again(prepared, || Reduced::File(path, state)))
                });
                send(&ready, prepared);
            }),
            // Its writer may be slow, so it has a thread that is not joined at the end.
            Source::Stdin => {
                let limit = limit.min(files.bytes());
                thread::spawn(move || {
                    let prepared = read(stdin().lock(), limit).and_then(|bytes| {
                        let prepared = decode(&model, request, &bytes)?;
                        Ok(or_again(prepared, || Reduced::Stdin(bytes)))
                    });
                    send(&ready, prepared);
                });
            }
            Source::Object { bucket, key } => {
                let location = Location::new(bucket, key);
                let same = location.clone();
                self.bucket.fetch(location, (limit, files), move |object| {
                    let prepared = object.and_then(|Object { version, bytes }| {
                        let prepared = decode(&model, request, &bytes)?;
                        Ok(or_again(prepared, || Reduced::Object(same, version)))
                    });
                    send(&ready, prepared);
                });
            }
        }
    }

    fn infer(&self, batch: Vec<(Name, Ready)>) -> Vec<Done> {
        let (names, ready): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let apart = |ready: Ready| match ready {
            Ok((picture, reduced)) => (Ok(picture), reduced),
            Err(failure) => (Err(failure), None),
        };
        let (prepared, reduced): (Vec<_>, Vec<_>) = ready.into_iter().map(apart).unzip();
        let mut results = self.model.classify_each(prepared, &self.options);
        let again = |place: usize| self.prepare_again(reduced[place].as_ref());
        self.model.classify_again(&mut results, &self.options, again);
        names.into_iter().zip(results).collect()
    }

    /// A picture at full scale.
    fn prepare_again(&self, reduced: Option<&Reduced>) -> Result<Prepared, Failure> {
        let reduced = reduced.ok_or(Failure::NotFound)?;
        let request = Request::of(&self.options).at_full_scale();
        reduced.read(&self.bucket, (self.limit, &self.files), |bytes| {
            Ok(admitted::prepare(&self.model, &self.admission, (bytes, request))?)
        })
    }
}

fn decode(
    (model, admission): &(Arc<Classifier>, Admission),
    request: Request,
    bytes: &[u8],
) -> Result<Prepared, Failure> {
    if bytes.is_empty() {
        return Err(Failure::Empty);
    }
    Ok(admitted::prepare(model, admission, (bytes, request))?)
}

fn or_again(prepared: Prepared, reduced: impl FnOnce() -> Reduced) -> (Prepared, Option<Reduced>) {
    let again = prepared.is_reduced().then(reduced);
    (prepared, again)
}

fn send(ready: &SyncSender<Ready>, prepared: Ready) {
    // After an interruption nothing waits for it.
    let _ = ready.send(prepared);
}
