//! A worker of your own: label every object under a prefix, and write each label beside its object.
//!
//! ```sh
//! export GLIMPSE_MODEL_URI=s3://models/default/0.7.1 AWS_REGION=eu-central-1
//! cargo run --release --example own_worker -- my-bucket holidays/
//! ```
//!
//! `holidays/cat.jpg` gets `holidays/cat.jpg.label.txt`. It may be run twice, and by two machines at
//! the same time: a label that exists is never overwritten.

use std::error::Error;

use glimpse_classifier::Options;
use glimpse_model_store::{ModelStore, StoreConfig};
use glimpse_objects::{Condition, Location, NewObject, ObjectError, Objects, Version};
use glimpse_settings::Environment;

const LABEL: &str = ".label.txt";
const MAX_BYTES: u64 = 20 << 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    glimpse_start::process::prepare();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [bucket, prefix] = words.as_slice() else {
        return Err("usage: own_worker BUCKET PREFIX".into());
    };
    let objects = Objects::from_env();
    let store = ModelStore::new(StoreConfig::read(&Environment)?, objects.clone());
    let classifier = store.get().await?;

    let mut next = None;
    loop {
        let page = objects.list(bucket, prefix, next).await?;
        for key in page.keys.iter().filter(|key| !key.ends_with(LABEL)) {
            let image = Location::new(bucket, key);
            let object = match objects.get(&image, &Version::default(), MAX_BYTES).await {
                Ok(object) => object,
                // Deleted since it was listed, or too large: go on with the others.
                Err(error @ (ObjectError::NotFound { .. } | ObjectError::TooLarge { .. })) => {
                    println!("{image}: {error}");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            // The engine blocks; a server would use `tokio::task::spawn_blocking` here.
            let text = match classifier.classify(&object.bytes, &Options::default()) {
                Ok(prediction) => prediction.top.label.to_string(),
                Err(error) => format!("error: {}", error.code()),
            };
            println!("{image}: {text}");
            let label = NewObject { content_type: "text/plain", bytes: text.into_bytes() };
            let beside = Location::new(bucket, format!("{key}{LABEL}"));
            match objects.put(&beside, label, Condition::Absent).await {
                Ok(()) | Err(ObjectError::Changed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        next = page.next;
        if next.is_none() {
            return Ok(());
        }
    }
}
