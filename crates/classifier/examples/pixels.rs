//! Decodes files with the engine, for tests that compare its pixels with another decoder's.
//!
//! Reads lines from standard input: a path, or a page, a tab and a path. Writes for each a line of
//! JSON, and behind it the upright picture's RGB bytes where there is one.

use std::error::Error;
use std::io::{BufRead as _, Write as _, stdin, stdout};

use glimpse_classifier::{ClassifyError, Limits, Picture, Request, Scale, Source};
use image::DynamicImage;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let line = line?;
        let (page, path) = line.split_once('\t').unwrap_or(("0", &line));
        let request = Request { page: page.parse()?, ..Request::default() };
        let (said, pixels) = match decoded(&std::fs::read(path)?, request) {
            Ok(picture) => upright(picture),
            Err(error) => {
                let detail = error.to_string();
                (json!({ "code": error.code(), "detail": detail }), Vec::new())
            }
        };
        writeln!(out, "{said}")?;
        out.write_all(&pixels)?;
        out.flush()?;
    }
    Ok(())
}

fn decoded(file: &[u8], request: Request) -> Result<Picture, ClassifyError> {
    Source::open(file, request, &Limits::default())?.decode(Scale::Full)
}

fn upright(picture: Picture) -> (Value, Vec<u8>) {
    let header = picture.header;
    let mut image = DynamicImage::ImageRgb8(picture.pixels);
    image.apply_orientation(header.orientation);
    let said = json!({
        "format": header.format.name(), "width": image.width(), "height": image.height(),
        "frames": header.frames, "pages": header.pages,
    });
    (said, image.into_bytes())
}
