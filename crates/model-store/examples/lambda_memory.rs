//! What a Lambda function's memory size allows, as a table: `cargo run --example lambda_memory`.

#![allow(missing_docs)]

use glimpse_budget::{read_decoding_time, read_within};
use glimpse_model_store::{StoreConfig, settings};
use glimpse_settings::SettingError;

/// The template's least, the sizes of `docs/scaling.md`, and Lambda's most.
const SIZES: [&str; 7] = ["256", "512", "885", "1769", "2654", "3538", "10240"];

fn main() -> Result<(), SettingError> {
    println!("| memory size (MB) | megapixels | images in memory (MB) | decoding (s) |");
    println!("| --- | --- | --- | --- |");
    for size in SIZES {
        let variables = [("GLIMPSE_MODEL_URI", "model"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", size)];
        let pixels = StoreConfig::read(&variables)?.limits.max_pixels;
        let mut images = 0;
        read_within(&settings::MAX_IMAGE_PIXELS, &variables, |share| {
            images = share.pictures;
            u64::MAX
        })?;
        #[allow(clippy::cast_precision_loss)]
        let megapixels = pixels as f64 / 1e6;
        let seconds = read_decoding_time(&variables)?.as_secs_f32();
        println!("| {size} | {megapixels:.1} | {} | {seconds:.1} |", images >> 20);
    }
    Ok(())
}
