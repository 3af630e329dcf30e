//! A model that is read once and dropped is the same model.

use glimpse_classifier::{LoadError, Manifest, Runtime, Session};
use glimpse_tests::workspace;

struct Bundle {
    runtime: Runtime,
    manifest: Manifest,
    model: Vec<u8>,
}

impl Bundle {
    fn default() -> Self {
        let read = |name| std::fs::read(workspace::default_bundle().join(name)).unwrap();
        let runtime = Runtime::open(&workspace::ort_library()).unwrap();
        Self {
            runtime,
            manifest: Manifest::parse(&read("bundle.json")).unwrap(),
            model: read("model.onnx"),
        }
    }

    fn consume(&self, model: Vec<u8>) -> Result<Session, LoadError> {
        Session::streaming(&self.runtime, model, self.manifest.input, 200)
    }
}

#[test]
fn a_consumed_model_gives_the_logits_of_one_in_memory() {
    let bundle = Bundle::default();
    let input = bundle.manifest.input;
    let in_memory = Session::new(&bundle.runtime, &bundle.model, input, 200).unwrap();
    let consumed = bundle.consume(bundle.model.clone()).unwrap();
    let pixels: Vec<u8> = (0..=250).cycle().take(input.bytes()).collect();
    assert_eq!(consumed.run(&pixels, 1).unwrap(), in_memory.run(&pixels, 1).unwrap());
}

/// ONNX Runtime stops reading where it sees nonsense; whoever still writes must not wait for it.
#[test]
fn bytes_that_are_not_a_model_are_refused_whatever_their_size() {
    let bundle = Bundle::default();
    let half = bundle.model[..bundle.model.len() / 2].to_vec();
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("half a model", half),
        ("a model and more", [&bundle.model[..], &[0xff; 1 << 20]].concat()),
        ("zeros", vec![0; 8 << 20]),
        ("ones", vec![0xff; 8 << 20]),
    ] {
        let refused = bundle.consume(bytes);
        assert!(matches!(refused, Err(LoadError::Session(_))), "{what}");
    }
    assert!(bundle.consume(bundle.model.clone()).is_ok());
}
