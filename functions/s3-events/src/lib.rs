//! From S3 events to result objects.
//!
//! An [`event`] in any of four shapes names objects; [`Worker`] settles each of them: it fetches the
//! object, classifies it and writes a result object; [`Handler`] does that for a whole event and
//! answers in the form that the event's sender understands.
//!
//! What is promised, in the face of events that come twice, late or in disorder, is written down in
//! `docs/s3-events.md`.

mod config;
pub mod event;
mod handler;
mod key;
mod object;
mod record;
mod results;
mod sequencer;
mod source;
mod worker;

pub use config::EventsConfig;
pub use handler::{Handler, HandlerError, Invocation};
pub use key::{InvalidKey, decode_key};
pub use object::Object;
pub use sequencer::{InvalidSequencer, Sequencer};
pub use worker::{Failure, Outcome, Worker};
