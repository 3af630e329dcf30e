//! The S3 client, set up for a short cold start.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    ResponseChecksumValidation, SharedHttpClient, StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// From a request to the first byte of its answer.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// A body that delivers nothing for this long is given up and asked for again.
const STALL: Duration = Duration::from_secs(3);

/// Region, credentials and endpoint as the AWS SDK finds them; the environment comes first, so the
/// instance metadata service is asked only where nothing else answers.
pub(super) async fn connect() -> Client {
    let shared = aws_config::defaults(BehaviorVersion::latest()).http_client(http()).load().await;
    let stalled = StalledStreamProtectionConfig::enabled().grace_period(STALL).build();
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT);
    let config = aws_sdk_s3::config::Builder::from(&shared)
        .timeout_config(timeouts.build())
        .stalled_stream_protection(stalled)
        // Bundles carry stronger checksums of their own.
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        // Emulators and private endpoints rarely resolve `bucket.host`.
        .force_path_style(shared.endpoint_url().is_some() || endpoint().is_some());
    Client::from_conf(config.build())
}

/// Connections of their own.
pub(super) fn http() -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new();
    if needs_no_tls() {
        return builder.build_http();
    }
    // A megabyte smaller than the SDK's default, and built without cmake.
    builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// Whether S3 is reached without TLS and credentials need no call: then nobody's certificate is
/// checked, and reading a workstation's trust store takes longer than opening the model.
fn needs_no_tls() -> bool {
    let without_tls = endpoint().is_some_and(|url| url.starts_with("http://"));
    without_tls && variable("AWS_ACCESS_KEY_ID").is_some()
}

fn endpoint() -> Option<String> {
    variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
