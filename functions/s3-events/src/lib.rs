//! From S3 events to result objects.
//!
//! An [`event`] names objects, in any of its forms; [`Worker`] processes each of them: it reads the
//! object, classifies it and writes a result object; [`Handler`] does that for a whole event and
//! answers in the form that the event's sender understands.
//!
//! What is promised, in the face of events that come twice, late or in disorder, is written down in
//! `docs/s3-events.md`.

mod config;
mod document;
mod error;
pub mod event;
mod handler;
mod invocation;
mod key;
mod object;
mod results;
mod sequencer;
mod source;
mod tally;
mod worker;

pub use config::EventsConfig;
pub use error::{Failure, HandlerError};
pub use handler::Handler;
pub use invocation::Invocation;
pub use key::{InvalidKey, decode_key};
pub use object::Object;
pub use sequencer::{InvalidSequencer, Sequencer};
pub use worker::{Processed, Worker};
