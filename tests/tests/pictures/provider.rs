//! The labels of real pictures by `OpenVINO` are those by the CPU provider, which decides close ones.

use std::path::{Path, PathBuf};

use glimpse_classifier::{
    Classifier, Labels, Limits, Manifest, Options, Prediction, ProviderConfig, Runtime, Timing,
};
use glimpse_tests::skip::skip;
use glimpse_tests::workspace;

use crate::prepared;

/// Of the pictures of the parity test, and of large ones that are decoded at reduced scale.
const AGREEMENT: f64 = 0.995;

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
    let sets = [prepared::crops(&python), prepared::large_jpegs(&python)].map(files);
    let cpu = Runtime::open(&workspace::ort_library()).unwrap();
    let provider: ProviderConfig = format!("openvino={}", library.display()).parse().unwrap();
    let openvino = cpu.clone().with_provider(&provider).unwrap();
    for bundle in ["default", "imagenet-lite"] {
        let bundle = workspace::bundle(bundle);
        let models = [load(&cpu, &bundle), load(&openvino, &bundle)];
        assert_eq!(models.each_ref().map(Classifier::provider), ["cpu", "openvino"]);
        for files in &sets {
            assert!(files.len() >= 400, "{} pictures", files.len());
            compare(&models, files);
        }
    }
}

fn files(folder: PathBuf) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending != "json")).collect()
}

fn compare(models: &[Classifier; 2], files: &[PathBuf]) {
    let options = Options { embedding: true, energy: true, ..Options::default() };
    let (mut same, mut decided, mut largest) = (0, 0, 0.0_f32);
    for file in files {
        let picture = std::fs::read(file).unwrap();
        let [cpu, provided] = models.each_ref().map(|model| {
            let found = model.classify(&picture, &options).unwrap();
            Prediction { timing: Timing::default(), ..found }
        });
        same += usize::from(cpu.top.index == provided.top.index);
        largest = largest.max((cpu.top.score - provided.top.score).abs());
        decided += usize::from(provided.decided_by_cpu);
        if provided.decided_by_cpu && provided.decoded_again == cpu.decoded_again {
            // All of it is the CPU provider's: scores, embedding and energy.
            assert_eq!(Prediction { decided_by_cpu: false, ..provided }, cpu);
        }
    }
    let n = files.len();
    println!(
        "{}: same label on {same} of {n}, {decided} decided by the CPU provider; largest difference of \
         a score {largest:.3}",
        models[0].manifest().name,
    );
    assert!(same as f64 >= AGREEMENT * n as f64, "{same} of {n}");
    assert!((1..n).contains(&decided), "{decided} of {n}");
}
