//! An S3 server on loopback that holds folders of files, for benchmarks written in other languages.
//!
//!     models_in_s3 [--slow ROUND_TRIP_MS MEGABYTES_PER_SECOND] PREFIX=FOLDER…
//!
//! Prints a JSON object with the environment that leads an AWS SDK to it; ends when its standard
//! input does.

use std::error::Error;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use glimpse_tests::s3::S3Server;
use serde_json::{Map, Value, json};

const BUCKET: &str = "models";
const USAGE: &str =
    "usage: models_in_s3 [--slow ROUND_TRIP_MS MEGABYTES_PER_SECOND] PREFIX=FOLDER…";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (slow, folders) = match &arguments[..] {
        [flag, round_trip, rate, folders @ ..] if flag == "--slow" => {
            (Some((round_trip.parse()?, rate.parse::<u32>()?)), folders)
        }
        folders => (None, folders),
    };
    let server = S3Server::start(&[BUCKET]);
    let mut uris = Map::new();
    for folder in folders {
        let (prefix, folder) = folder.split_once('=').ok_or(USAGE)?;
        put(&server, prefix, Path::new(folder))?;
        uris.insert(prefix.to_owned(), json!(format!("s3://{BUCKET}/{prefix}")));
    }
    if let Some((round_trip, megabytes)) = slow {
        server.network().slow(Duration::from_millis(round_trip), megabytes * 1_000_000);
    }
    let environment: Map<String, Value> =
        server.environment().into_iter().map(|(name, value)| (name, json!(value))).collect();
    println!("{}", json!({ "environment": environment, "uris": uris }));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Each file of the folder as an object.
fn put(server: &S3Server, prefix: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        if file.file_type()?.is_file() {
            let key = format!("{prefix}/{}", file.file_name().to_string_lossy());
            server.put(BUCKET, &key, std::fs::read(file.path())?);
        }
    }
    Ok(())
}
