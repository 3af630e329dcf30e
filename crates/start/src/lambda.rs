//! What AWS Lambda says of a process that it starts, and of an invocation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glimpse_settings::{SettingError, Strings};
use lambda_runtime::Context;

/// What the runtime library reads of its environment.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
const VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
];

/// Says `snap-start` where Lambda will take a snapshot of the started process.
const INITIALIZATION_TYPE: &str = "AWS_LAMBDA_INITIALIZATION_TYPE";

/// Left of an invocation's time for its answer and its log lines.
const MARGIN: Duration = Duration::from_millis(1500);

/// The environment is not that of a Lambda function.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} is not set: AWS Lambda starts this program, or its emulator as in `make demo`; \
     as a server of its own, start `glimpse serve`"
)]
pub struct NotOnLambda(&'static str);

/// Whether the process was started by AWS Lambda: its runtime library panics elsewhere.
///
/// # Errors
/// When a variable that Lambda sets is absent.
pub fn check(environment: &impl Strings) -> Result<(), NotOnLambda> {
    let absent = |name: &&&str| environment.value(name).is_none();
    VARIABLES.iter().find(absent).map_or(Ok(()), |name| Err(NotOnLambda(name)))
}

/// Whether Lambda will take a snapshot of this process before it sends requests.
///
/// # Errors
/// When the variable is not text.
pub fn takes_snapshot(environment: &impl Strings) -> Result<bool, SettingError> {
    Ok(environment.text(INITIALIZATION_TYPE)?.is_some_and(|kind| kind == "snap-start"))
}

/// How long an invocation may work until there must be an answer; nothing where it has no deadline.
#[must_use]
pub fn time_left(context: &Context) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = context.deadline().duration_since(UNIX_EPOCH).unwrap_or_default();
    (!deadline.is_zero()).then(|| deadline.saturating_sub(now).saturating_sub(MARGIN))
}
