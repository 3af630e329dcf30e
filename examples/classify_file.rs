//! Classify a file with the engine alone: no AWS, no HTTP, no async.
//!
//! ```sh
//! make onnxruntime pictures
//! cargo run --release --example classify_file -- models/default \
//!     target/onnxruntime/$(uname -m)/libonnxruntime.so target/pictures/coffee.png
//! ```

use std::error::Error;
use std::path::Path;

use glimpse_classifier::{Classifier, Labels, Limits, Manifest, Options, Runtime};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, library, image] = words.as_slice() else {
        return Err("usage: classify_file BUNDLE ONNXRUNTIME_LIBRARY IMAGE".into());
    };
    let bundle = Path::new(bundle);

    // Once per process: the library, then the model.
    let runtime = Runtime::open(library.as_ref())?;
    let classifier = Classifier::new(
        &runtime,
        Manifest::parse(&std::fs::read(bundle.join("bundle.json"))?)?,
        Labels::parse(&std::fs::read(bundle.join("labels.txt"))?)?,
        std::fs::read(bundle.join("model.onnx"))?,
        Limits::default(),
    )?;

    // Once per image. The same classifier may be shared by threads.
    let prediction = classifier.classify(&std::fs::read(image)?, &Options::default())?;
    for class in &prediction.predictions {
        println!("{:5.1} %  {}", class.score * 100.0, class.label);
    }
    Ok(())
}
