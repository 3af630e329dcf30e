use serde_json::json;

use super::*;

fn described(schema_version: u32, input: &Value) -> Value {
    let file = json!({"sha256": "0".repeat(64), "bytes": 1});
    json!({
        "schema_version": schema_version, "name": "m", "version": "1",
        "created_at": "2026-01-01T00:00:00Z",
        "files": {"model.onnx": file, "labels.txt": file},
        "input": input, "license": "MIT"
    })
}

fn parse(change: impl FnOnce(&mut Value)) -> Result<Manifest, BundleError> {
    let mut value = described(
        2,
        &json!({
            "height": 224, "width": 224, "channels": 3,
            "resize": {"mode": "shorter-side", "size": 256, "filter": "bicubic", "antialias": false},
            "crop": "center"
        }),
    );
    change(&mut value);
    Manifest::parse(value.to_string().as_bytes())
}

fn parse_1(change: impl FnOnce(&mut Value)) -> Result<Manifest, BundleError> {
    let mut value = described(
        1,
        &json!({
            "height": 224, "width": 224, "resize_shorter_side": 256,
            "interpolation": "bilinear-antialias"
        }),
    );
    change(&mut value);
    Manifest::parse(value.to_string().as_bytes())
}

#[test]
fn the_documented_form_is_read() {
    let manifest = parse(|v| {
        v["decision"] = json!({"accept": 0.9});
        v["profile"] = json!({"labels": [1, 2]});
    });
    let manifest = manifest.unwrap();
    assert_eq!(manifest.input.bytes(), 224 * 224 * 3);
    let Resize { mode, size, filter, antialias, fill } = manifest.input.resize;
    assert_eq!((mode, size), (ResizeMode::ShorterSide, Size::Side(256)));
    assert_eq!((filter, antialias, fill), (Filter::Bicubic, false, None));
    assert_eq!(manifest.task, Task::SingleLabel);
    let written = serde_json::to_value(&manifest).unwrap();
    assert_eq!(written["decision"]["accept"], 0.9);
    assert_eq!(written["profile"]["labels"], json!([1, 2]));
    assert_eq!(written["input"]["resize"]["mode"], "shorter-side");
}

#[test]
fn version_1_becomes_version_2() {
    let manifest = parse_1(|_| ()).unwrap();
    assert_eq!(manifest.schema_version, SCHEMA_VERSION);
    assert_eq!(manifest.input, InputSpec::centre_of(224, 224, 256));
    let filter = parse_1(|v| v["input"]["interpolation"] = "nearest".into()).unwrap_err();
    assert!(matches!(filter, BundleError::Json(_)));
    let crop = parse_1(|v| v["input"]["resize_shorter_side"] = 128.into()).unwrap_err();
    assert!(matches!(crop, BundleError::Input { field: "resize.size", .. }));
}

#[test]
fn a_name_that_would_break_addresses_or_metrics_is_refused() {
    let longest = "é".repeat(LONGEST_NAME);
    for good in ["m", "resnet:v2", "1.2.0+a", "a b", longest.as_str()] {
        assert!(
            parse(|v| (v["name"], v["version"]) = (good.into(), good.into())).is_ok(),
            "{good}"
        );
    }
    let long = "m".repeat(5000);
    for bad in ["", "a/b", "/", "a\r\nb", "a\0", "\u{1b}[31m", "a\u{85}", long.as_str()] {
        for of in ["name", "version"] {
            let error = parse(|v| v[of] = bad.into()).unwrap_err();
            assert!(matches!(error, BundleError::Name { field, .. } if field == of), "{bad:?}");
            assert!(error.to_string().len() < 200, "{error}");
        }
    }
}

#[test]
fn a_newer_schema_is_named_even_when_its_form_is_unknown() {
    let error = Manifest::parse(br#"{"schema_version": 3, "files": []}"#).unwrap_err();
    assert!(matches!(error, BundleError::SchemaVersion { found: 3, newest: 2 }));
    assert!(error.to_string().contains("newer"), "{error}");
}

#[test]
fn every_mode_is_read_with_its_defaults() {
    let squash = parse(|v| {
        v["input"]["resize"] = json!({"mode": "squash", "size": [224, 224]});
        v["input"]["crop"] = "none".into();
    });
    let Resize { filter, antialias, .. } = squash.unwrap().input.resize;
    assert_eq!((filter, antialias), (Filter::Bilinear, true));
    let letterbox = parse(|v| {
        v["input"]["resize"] = json!({"mode": "letterbox", "size": 256, "fill": [114, 0, 255]});
    });
    assert_eq!(letterbox.unwrap().input.resize.fill, Some([114, 0, 255]));
    let wide = parse(|v| {
        let resize = json!({"mode": "squash", "size": [100, 300], "filter": "nearest"});
        v["input"] = json!({"height": 100, "width": 300, "resize": resize, "crop": "none"});
    });
    assert_eq!(wide.unwrap().input.resize.size.sides(), [100, 300]);
}

#[test]
fn contradictions_of_the_input_are_refused_by_name() {
    let squash = |size: Value| json!({"mode": "squash", "size": size});
    for (pointer, wrong, field) in [
        ("/input/width", json!(0), "height and width"),
        ("/input/height", json!(4097), "height and width"),
        ("/input/channels", json!(1), "channels"),
        ("/input/crop", json!("none"), "crop"),
        ("/input/resize/size", json!(0), "resize.size"),
        ("/input/resize/size", json!(223), "resize.size"),
        ("/input/resize/size", json!([256, 256]), "resize.size"),
        ("/input/resize", squash(json!([256, 200])), "resize.size"),
        ("/input/resize/fill", json!([0, 0, 0]), "resize.fill"),
        ("/input/resize/filter", json!("lanczos"), "resize.antialias"),
    ] {
        let changed = parse(|v| match v.pointer_mut(pointer) {
            Some(there) => *there = wrong.clone(),
            None => v["input"]["resize"]["fill"] = wrong.clone(),
        });
        let error = changed.unwrap_err();
        assert!(error.to_string().contains(&format!("input.{field}")), "{pointer}: {error}");
    }
    let none = parse(|v| {
        v["input"]["resize"] = squash(json!(256));
        v["input"]["crop"] = "none".into();
    });
    assert!(none.unwrap_err().to_string().contains("crop is none"));
    let fill = parse(|v| {
        v["input"]["resize"] = json!({"mode": "letterbox", "size": 256, "fill": [0, 300, 0]});
    });
    assert!(fill.unwrap_err().to_string().contains("input.resize.fill"));
}

#[test]
fn thresholds_belong_to_several_labels() {
    let with = |task: &str, thresholds: Value| {
        parse(|v| {
            v["task"] = task.into();
            v["thresholds"] = thresholds;
        })
    };
    let manifest = with("multi-label", json!([0.2, 0.7])).unwrap();
    assert_eq!(manifest.threshold(1), Some(0.7));
    assert!(manifest.check_labels(2).is_ok());
    assert!(matches!(manifest.check_labels(3), Err(BundleError::Thresholds(_))));
    let plain = with("multi-label", Value::Null).unwrap();
    assert_eq!((plain.threshold(7), plain.check_labels(9).is_ok()), (Some(0.5), true));
    for (task, thresholds) in [("single-label", json!([0.5])), ("multi-label", json!([1.5]))] {
        assert!(matches!(with(task, thresholds), Err(BundleError::Thresholds(_))));
    }
    assert_eq!(parse(|_| ()).unwrap().threshold(0), None);
}

#[test]
fn other_contradictions_are_refused() {
    let missing = parse(|v| drop(v["files"].as_object_mut().unwrap().remove("labels.txt")));
    assert!(matches!(missing.unwrap_err(), BundleError::MissingFile("labels.txt")));
    let checksum = parse(|v| v["files"]["model.onnx"]["sha256"] = "xyz".into()).unwrap_err();
    assert!(matches!(checksum, BundleError::Checksum { file } if file == "model.onnx"));
    let heat = |temperature: f64| {
        move |v: &mut Value| {
            v["calibration"] = json!({
                "temperature": temperature, "images": 1, "ece_before": 0.2, "ece_after": 0.1
            });
        }
    };
    assert_eq!(parse(heat(1.5)).unwrap().temperature(), 1.5);
    for wrong in [0.0, -1.0, 1e-300, 1e300] {
        let error = parse(heat(wrong)).unwrap_err();
        assert!(matches!(error, BundleError::Temperature { found } if found == wrong));
    }
    for (stride, first) in [(0, 0.5), (1_000_000_000, 0.5), (32, 1e300)] {
        let maps = |v: &mut Value| {
            v["class_maps"] = json!({"stride": stride, "first": first});
        };
        let error = parse(maps).unwrap_err();
        assert!(matches!(error, BundleError::ClassMaps { stride: s, .. } if s == stride));
    }
}

#[test]
fn a_graph_for_the_cpu_is_taken_by_its_own_runtime_and_processor() {
    let with = |cpu_graph: Value| {
        parse(|v| {
            v["files"]["model.cpu.onnx"] = v["files"]["model.onnx"].clone();
            v["cpu_graph"] = cpu_graph;
        })
    };
    let here = std::env::consts::ARCH;
    let manifest =
        with(json!({"onnxruntime": "1.32.0", "architectures": ["sparc", here]})).unwrap();
    assert_eq!(manifest.graph_for_cpu("1.32.0"), Graph::Cpu);
    for version in ["1.32.1", "1.32", ""] {
        assert_eq!(manifest.graph_for_cpu(version), Graph::Portable, "{version}");
    }
    let manifest = with(json!({"onnxruntime": "1.32.0", "architectures": ["sparc"]})).unwrap();
    assert_eq!(manifest.graph_for_cpu("1.32.0"), Graph::Portable);
    assert_eq!(parse(|_| ()).unwrap().graph_for_cpu("1.32.0"), Graph::Portable);
}

#[test]
fn the_file_and_the_entry_of_a_graph_for_the_cpu_belong_together() {
    let file = parse(|v| v["files"]["model.cpu.onnx"] = v["files"]["model.onnx"].clone());
    assert!(matches!(file, Err(BundleError::CpuGraph)));
    let entry = parse(|v| v["cpu_graph"] = json!({"onnxruntime": "1.32.0", "architectures": []}));
    assert!(matches!(entry, Err(BundleError::CpuGraph)));
}

/// A line of `fixtures/manifests.json`, which the tests of the training package read too.
#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    replace: Option<[String; 2]>,
    #[serde(default)]
    text: Option<String>,
}

#[derive(Deserialize)]
struct Cases {
    whole: Value,
    accepted: Vec<Case>,
    refused: Vec<Case>,
}

impl Case {
    /// The description that it stands for.
    fn described(&self, whole: &Value) -> String {
        let mut changed = whole.clone();
        for (pointer, value) in &self.set {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            changed.pointer_mut(parent).unwrap()[field] = value.clone();
        }
        for pointer in &self.remove {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            let there = changed.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
            assert!(there.remove(field).is_some(), "{}", self.name);
        }
        let text = changed.to_string();
        match (&self.text, &self.replace) {
            (Some(text), _) => text.clone(),
            (None, Some([old, new])) => {
                assert!(text.contains(old.as_str()), "{}", self.name);
                text.replacen(old.as_str(), new, 1)
            }
            (None, None) => text,
        }
    }
}

#[test]
fn what_the_training_package_takes_is_read_and_what_it_refuses_is_refused() {
    let Cases { whole, accepted, refused } =
        serde_json::from_str(include_str!("fixtures/manifests.json")).unwrap();
    for case in &accepted {
        let parsed = Manifest::parse(case.described(&whole).as_bytes());
        assert!(parsed.is_ok(), "{}: {parsed:?}", case.name);
    }
    for case in &refused {
        let parsed = Manifest::parse(case.described(&whole).as_bytes());
        assert!(parsed.is_err(), "{} is accepted", case.name);
    }
}
