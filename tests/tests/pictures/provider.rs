//! The labels of real pictures by `OpenVINO` are those by the CPU provider.

use std::path::{Path, PathBuf};

use glimpse_classifier::{Classifier, Labels, Limits, Manifest, Options, ProviderConfig, Runtime};
use glimpse_tests::skip::skip;
use glimpse_tests::workspace;

use crate::prepared;

/// Of the pictures of the parity test that the CPU provider gives this score or more.
const SURE: f32 = 0.5;
const AGREEMENT: f64 = 0.995;
/// Of all of them: many are unclear to the small models, which rounding decides otherwise.
const AGREEMENT_OF_ALL: f64 = 0.93;

fn load(runtime: &Runtime, bundle: &Path) -> Classifier {
    let read = |name| std::fs::read(bundle.join(name)).unwrap();
    let manifest = Manifest::parse(&read("bundle.json")).unwrap();
    let labels = Labels::parse(&read("labels.txt")).unwrap();
    Classifier::new(runtime, manifest, labels, read("model.onnx"), Limits::default()).unwrap()
}

#[test]
fn labels_by_openvino_are_those_by_the_cpu_provider() {
    let Some(library) = workspace::openvino() else {
        return skip("labels by OpenVINO", "there is no target/openvino for this processor");
    };
    let Some(python) = prepared::python() else {
        return skip("labels by OpenVINO", "there is no target/venv-models");
    };
    let crops: Vec<PathBuf> = std::fs::read_dir(prepared::crops(&python))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending != "json"))
        .collect();
    assert!(crops.len() >= 400, "{} pictures", crops.len());
    let cpu = Runtime::open(&workspace::ort_library()).unwrap();
    let provider: ProviderConfig = format!("openvino={}", library.display()).parse().unwrap();
    let openvino = cpu.clone().with_provider(&provider).unwrap();
    for bundle in ["default", "imagenet-lite"] {
        let bundle = workspace::bundle(bundle);
        let models = [load(&cpu, &bundle), load(&openvino, &bundle)];
        assert_eq!(models.each_ref().map(Classifier::provider), ["cpu", "openvino"]);
        let (mut same, mut largest) = (0, 0.0_f32);
        let (mut sure, mut same_of_sure) = (0, 0);
        for crop in &crops {
            let picture = std::fs::read(crop).unwrap();
            let found = models
                .each_ref()
                .map(|model| model.classify(&picture, &Options::default()).unwrap());
            let is_same = i32::from(found[0].top.index == found[1].top.index);
            same += is_same;
            if found[0].top.score >= SURE {
                (sure, same_of_sure) = (sure + 1, same_of_sure + is_same);
            }
            largest = largest.max((found[0].top.score - found[1].top.score).abs());
        }
        println!(
            "{}: same label on {same} of {}, on {same_of_sure} of the {sure} with a score of {SURE} or \
             more; largest difference of a score {largest:.3}",
            bundle.display(),
            crops.len()
        );
        assert!(sure >= 50, "{sure} pictures are clear");
        assert!(same_of_sure as f64 >= AGREEMENT * f64::from(sure), "{same_of_sure} of {sure}");
        assert!(same as f64 >= AGREEMENT_OF_ALL * crops.len() as f64, "{same}");
    }
}
