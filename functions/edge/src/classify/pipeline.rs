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

use glimpse_classifier::{Classifier, Options, Prediction, Prepared};

use crate::signals::Stop;
use crate::source::{Bucket, Failure, Item, Source, read, read_file};

/// Pictures in one run of the session: more gain nothing on two cores and cost memory.
const RUN: usize = 8;
/// Pictures on their way: the session never finds the queue empty while decoding keeps up.
const PLACES: usize = 4 * RUN;
/// How often a wait for a picture looks whether it was given up.
const GLANCE: Duration = Duration::from_millis(100);

/// A picture's name and what became of it.
pub type Done = (String, Result<Prediction, Failure>);

type Ready = Result<Prepared, Failure>;

/// Everything but the pictures.
pub struct Pipeline<'a> {
    /// Decodes and infers.
    pub model: Arc<Classifier>,
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
    name: String,
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
            let mut batch = Vec::with_capacity(RUN);
            for Place { name, ready } in &queue {
                let Some(ready) = self.wait(&ready) else { break };
                batch.push((name, ready));
                if batch.len() == RUN {
                    emit(self.infer(std::mem::take(&mut batch)))?;
                }
            }
            // Nobody takes places any more: the feeder ends.
            drop(queue);
            if batch.is_empty() { Ok(()) } else { emit(self.infer(batch)) }
        })
    }

    /// The picture, or nothing when the program is to end.
    fn wait(&self, ready: &Receiver<Ready>) -> Option<Ready> {
        while !self.stop.is_set() {
            match ready.recv_timeout(GLANCE) {
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
                Ok(source) => source.to_string(),
                Err((name, _)) => name.clone(),
            };
            if places.send(Place { name, ready: place }).is_err() {
                return;
            }
            match picture {
                Ok(source) => self.prepare(source, pool, ready),
                Err((_, failure)) => tell(&ready, Err(failure)),
            }
        }
    }

    /// Have the picture read, decoded and fitted, and the outcome sent to `ready`.
    fn prepare(&self, source: Source, pool: &rayon::ThreadPool, ready: SyncSender<Ready>) {
        let (model, limit) = (self.model.clone(), self.limit);
        match source {
            Source::File(path) => pool.spawn_fifo(move || {
                let bytes = read_file(&path, limit).map(|seen| seen.bytes);
                tell(&ready, decode(&model, bytes));
            }),
            // Whoever writes it may be slow: on a thread that nobody waits for at the end.
            Source::Stdin => {
                let read = move || tell(&ready, decode(&model, read(stdin().lock(), limit)));
                thread::spawn(read);
            }
            Source::Object { bucket, key } => self.bucket.fetch(bucket, key, limit, move |bytes| {
                tell(&ready, decode(&model, bytes));
            }),
        }
    }

    fn infer(&self, batch: Vec<(String, Ready)>) -> Vec<Done> {
        let good = batch.iter().filter_map(|(_, ready)| ready.as_ref().ok());
        let good: Vec<_> = good.map(|picture| (picture, &self.options)).collect();
        let mut results = self.model.classify_prepared(&good).into_iter();
        let result = |(name, ready): (String, Ready)| {
            let result = match ready {
                Ok(_) => results.next()?.map_err(Failure::from),
                Err(failure) => Err(failure),
            };
            Some((name, result))
        };
        batch.into_iter().filter_map(result).collect()
    }
}

fn decode(model: &Classifier, bytes: Result<Vec<u8>, Failure>) -> Ready {
    let bytes = bytes?;
    if bytes.is_empty() {
        return Err(Failure::Empty);
    }
    Ok(model.prepare(&bytes)?)
}

fn tell(ready: &SyncSender<Ready>, outcome: Ready) {
    // Nobody waits for it after an interruption.
    let _ = ready.send(outcome);
}
