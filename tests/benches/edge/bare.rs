//! The session alone: what there is to reach.

use std::path::Path;

use glimpse_classifier::{Labels, Manifest, Runtime, Session};
use glimpse_tests::workspace;

use super::Failure;

/// Pictures in a run, as `glimpse classify` has them.
pub const RUN: usize = 8;

/// The session alone, with pixels that are there already.
pub struct Bare {
    session: Session,
    pixels: Vec<u8>,
}

impl Bare {
    pub fn new(bundle: &Path) -> Result<Self, Failure> {
        let runtime = Runtime::open(&workspace::ort_library())?;
        let manifest = Manifest::parse(&std::fs::read(bundle.join("bundle.json"))?)?;
        let labels = Labels::parse(&std::fs::read(bundle.join("labels.txt"))?)?;
        // The graph that the service takes.
        let graph = manifest.graph_for_cpu(runtime.version()).file();
        let model = std::fs::read(bundle.join(graph))?;
        let session = Session::new(&runtime, &model, manifest.input, labels.len())?;
        let bytes = RUN * manifest.input.bytes();
        let pixels = (0..bytes).map(|at| u8::try_from(at * 31 % 251)).collect::<Result<_, _>>()?;
        Ok(Self { session, pixels })
    }

    pub fn run(&self) -> Result<(), Failure> {
        self.session.run(&self.pixels, RUN)?;
        Ok(())
    }
}
