//! The S3 client, set up for a short cold start.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    ResponseChecksumValidation, StalledStreamProtectionConfig, timeout::TimeoutConfig,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// From a request to the first byte of its answer.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// A body that delivers nothing for this long is given up and asked for again.
const STALL: Duration = Duration::from_secs(3);

/// Region, credentials and endpoint as the AWS SDK finds them; the environment comes first, so the
/// instance metadata service is asked only where nothing else answers.
pub(crate) async fn connect() -> Client {
    let shared = aws_config::defaults(BehaviorVersion::latest()).load().await;
    let stalled = StalledStreamProtectionConfig::enabled().grace_period(STALL).build();
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT);
    let endpoint = shared.endpoint_url().map(str::to_owned).or_else(endpoint_of_environment);
    let mut config = aws_sdk_s3::config::Builder::from(&shared);
    if endpoint.as_deref().is_some_and(|url| url.starts_with("http://")) {
        // Without TLS nothing is trusted, and reading a workstation's trust store takes longer than
        // opening the model.
        config = config.http_client(aws_smithy_http_client::Builder::new().build_http());
    }
    let config = config
        .timeout_config(timeouts.build())
        .stalled_stream_protection(stalled)
        // Bundles carry stronger checksums of their own.
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        // Emulators and private endpoints rarely resolve `bucket.host`.
        .force_path_style(endpoint.is_some());
    Client::from_conf(config.build())
}

fn endpoint_of_environment() -> Option<String> {
    let read = |variable| std::env::var(variable).ok().filter(|value| !value.is_empty());
    ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].into_iter().find_map(read)
}
