//! The sessions of a model: of the configured provider with the CPU provider beside it, or of the CPU
//! provider alone where the other one cannot be trusted with the model.
//!
//! A provider compiles a graph by itself, and its arithmetic is not that of the CPU provider. So
//! both get the same pictures before one serves, and where a logit differs by more than rounding, or
//! anything fails, the CPU provider serves. Where the other one serves, the session of the CPU provider
//! stays, to decide close labels.

use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::bundle::InputSpec;
use crate::error::{LoadError, ProviderError};
use crate::runtime::Runtime;
use crate::session::{Session, Wanted};
use crate::sessions::Sessions;

/// How far a logit may be from the CPU provider's, as a part of the spread of all logits.
const TOLERANCE: f32 = 0.1;

/// A provider gets a third of what is left of a load's time to compile, and another for its trial, so that
/// time remains for the CPU provider.
const PART: u32 = 3;

/// Held by the thread that compiles: each takes memory and all processors, and one that a load did not
/// wait for goes on.
static COMPILING: Mutex<()> = Mutex::new(());

/// Batch sizes of the trial.
const BATCHES: [usize; 2] = [1, 2];

/// The sessions of `model`. Blocks.
pub(crate) fn sessions(
    runtime: &Runtime,
    model: impl AsRef<[u8]> + Send,
    input: InputSpec,
    classes: usize,
) -> Result<Sessions, LoadError> {
    let Some(provider) = runtime.provider() else {
        return Session::streaming(runtime, model, input, classes).map(Sessions::of_cpu);
    };
    let model = model.as_ref();
    let cpu = Session::new(runtime, model, input, classes)?;
    let limit = runtime.load_limit().map(|limit| limit / PART);
    let made = made_within(limit.unwrap_or(Duration::MAX), runtime, model, (input, classes));
    // `ort` panics where a provider leaves an output without a value.
    let tried = AssertUnwindSafe(|| trusted(made?, &cpu, input, limit));
    match panic::catch_unwind(tried).unwrap_or(Err(ProviderError::Broken)) {
        Ok(session) => Ok(Sessions::of_provider(session, cpu)),
        Err(error) => {
            let provider = provider.name();
            tracing::error!(%error, provider, "the CPU provider runs the model instead");
            Ok(Sessions::of_cpu(cpu))
        }
    }
}

/// The provider's session. One that is not made in time is made to the end by a thread that is left to
/// itself: a provider that compiles cannot be stopped.
fn made_within(
    limit: Duration,
    runtime: &Runtime,
    model: &[u8],
    (input, classes): (InputSpec, usize),
) -> Result<Session, ProviderError> {
    let (made, wait) = mpsc::sync_channel(1);
    let (runtime, model) = (runtime.clone(), model.to_vec());
    thread::spawn(move || {
        let provider = runtime.provider()?;
        let alone = COMPILING.try_lock_for(limit);
        let session = alone.map_or(Err(ProviderError::Compiling), |_alone| {
            Session::on(provider, &runtime, &model, input, classes)
        });
        made.send(session).ok()
    });
    wait.recv_timeout(limit).map_err(|error| match error {
        RecvTimeoutError::Timeout => ProviderError::Slow { limit },
        RecvTimeoutError::Disconnected => ProviderError::Broken,
    })?
}

/// The provider's session, if it computes what `cpu` computes.
fn trusted(
    session: Session,
    cpu: &Session,
    input: InputSpec,
    limit: Option<Duration>,
) -> Result<Session, ProviderError> {
    within(limit, [&session, cpu], || compare(&session, cpu, input))?;
    Ok(session)
}

/// Do `work`; from `limit` on, end the runs that it waits for.
fn within<T>(limit: Option<Duration>, sessions: [&Session; 2], work: impl FnOnce() -> T) -> T {
    const EVERY: Duration = Duration::from_millis(100);
    let Some(mut pause) = limit else { return work() };
    let (done, wait) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while wait.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                for session in sessions {
                    session.end_run_after(Duration::ZERO);
                }
                pause = EVERY;
            }
        });
        let result = work();
        drop(done);
        result
    })
}

fn compare(session: &Session, cpu: &Session, input: InputSpec) -> Result<(), ProviderError> {
    for count in BATCHES {
        let pixels = pictures(input.bytes() * count);
        let wanted = Wanted { class_maps: false, embedding: session.offers_embedding() };
        let [own, reference] = [session, cpu].map(|on| on.run_for(wanted, &pixels, count));
        let own = own.map_err(ProviderError::Trial)?.into_logits();
        let reference = reference.map_err(ProviderError::Trial)?.into_logits();
        let difference = difference(&own, &reference);
        if difference > TOLERANCE {
            return Err(ProviderError::Answers { difference });
        }
    }
    Ok(())
}

/// The largest difference of two logits, as a part of the spread of `reference`.
fn difference(own: &[f32], reference: &[f32]) -> f32 {
    let highest = reference.iter().copied().fold(f32::MIN, f32::max);
    let lowest = reference.iter().copied().fold(f32::MAX, f32::min);
    let pairs = own.iter().zip(reference);
    let largest = pairs.map(|(own, other)| (own - other).abs()).fold(0.0, f32::max);
    if largest == 0.0 { 0.0 } else { largest / (highest - lowest) }
}

/// Smooth waves and grain, as pictures have them; the same every time.
fn pictures(bytes: usize) -> Vec<u8> {
    let mut noise = 1_u32;
    let level = |place: usize| {
        // A linear congruential generator (Numerical Recipes).
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wave = place / 96 % 256;
        let wave = if (place / 96 / 256).is_multiple_of(2) { wave } else { 255 - wave };
        u8::try_from((wave * 3 + (noise >> 24) as usize) / 4).unwrap_or(u8::MAX)
    };
    (0..bytes).map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_a_part_of_the_spread() {
        assert!((difference(&[0.0, 4.5], &[0.0, 5.0]) - 0.1).abs() < 1e-6);
        assert!(difference(&[1.0, 1.0], &[1.0, 1.0]) < f32::EPSILON);
        assert!(difference(&[2.0, 1.0], &[1.0, 1.0]).is_infinite());
    }
}
