//! The HTTP API as a Lambda function: events in, the Router's answers out.

mod answer;
mod deadline;
mod event;
mod function;
mod path;
mod request;

pub use event::Event;
pub use function::{Answer, Function};

/// The request that the function makes of an event of HTTP; nothing where it is another event.
#[cfg(fuzzing)]
#[must_use]
pub fn read(event: &[u8]) -> Option<axum::extract::Request> {
    let Ok(Event::Http(event)) = serde_json::from_slice(event) else { return None };
    request::empty_like(&event).ok()?;
    Some(request::read(*event))
}
