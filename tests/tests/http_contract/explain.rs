//! `explain`: exact class activation maps, as numbers and as a picture.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glimpse_tests::workspace;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

use crate::common::answer::{Answer, check_problem, without_timing};
use crate::common::api::{API, Api, cat, expected};
use crate::common::encode::{base64, encode, plain};
use crate::common::toy::{self, Graph, SIDE};

/// The default bundle's pooled features have 8 bits: what they round off moves a logit by this much.
const ROUNDING: f64 = 0.05;
const PICTURES: [&str; 4] = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"];

fn start(graph: Graph) -> Api {
    start_with(graph, |_| ())
}

/// The same with another `bundle.json`.
fn start_with(graph: Graph, change: impl FnOnce(&mut Value)) -> Api {
    let folder = toy::bundle_with(graph, change);
    let api = Api::folder(folder.path());
    // The load happens now, while the folder is there.
    assert_eq!(api.get("/model").status, 200);
    api
}

fn ask(api: &Api, picture: &[u8], explain: &Value) -> Answer {
    api.post_json("/predict", &json!({ "image_data": base64(picture), "explain": explain }))
}

/// A red left half and a green right half, with a blue pixel in a corner.
fn halves() -> (RgbImage, Vec<u8>) {
    let pixels = RgbImage::from_fn(SIDE, SIDE, |x, y| match (x, y) {
        (0, 0) => Rgb([0, 0, 200]),
        _ if x < SIDE / 2 => Rgb([100, 20, 0]),
        _ => Rgb([10, 50, 0]),
    });
    (pixels.clone(), encode(&DynamicImage::ImageRgb8(pixels), ImageFormat::Png))
}

/// The exact map, from the scaled one as an answer documents it.
fn exact(explanation: &Value) -> Vec<f64> {
    let number = |name: &str| explanation[name].as_f64().unwrap();
    let (minimum, range) = (number("minimum"), number("maximum") - number("minimum"));
    let values: Vec<f64> =
        explanation["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(values.len() as f64, number("width") * number("height"));
    assert!(values.iter().all(|value| (0.0..=1.0).contains(value)), "{values:?}");
    values.iter().map(|value| minimum + value * range).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The picture in a `data:` URL.
fn overlay(explanation: &Value) -> RgbImage {
    let url = explanation["overlay"].as_str().unwrap();
    let file = STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
    image::load_from_memory_with_format(&file, ImageFormat::Png).unwrap().into_rgb8()
}

#[test]
fn a_map_says_of_each_place_what_it_adds_to_the_logit() {
    let api = start(Graph::Explained);
    let (pixels, picture) = halves();
    let answer = ask(&api, &picture, &json!(true)).ok();
    let explanation = &answer["explanation"];
    for member in ["label", "index"] {
        assert_eq!(explanation[member], answer[member]);
    }
    assert_eq!(explanation["label"], "red");
    assert_eq!((&explanation["width"], &explanation["height"]), (&json!(SIDE), &json!(SIDE)));
    assert!(explanation.get("overlay").is_none());
    let exact = exact(explanation);
    for (place, pixel) in exact.iter().zip(pixels.pixels()) {
        assert!((place - f64::from(pixel.0[0]) - 1.0).abs() < 1e-4, "{place} for {pixel:?}");
    }
    assert!((mean(&exact) - explanation["logit"].as_f64().unwrap()).abs() < 1e-4);
}

#[test]
fn on_real_pictures_the_maps_mean_is_the_logit() {
    for name in PICTURES {
        let picture = std::fs::read(workspace::picture(name)).unwrap();
        let best = ask(&API, &picture, &json!(true)).ok();
        let labels: Vec<&Value> =
            best["predictions"].as_array().unwrap().iter().map(|ranked| &ranked["index"]).collect();
        let answer = ask(&API, &picture, &json!({ "labels": labels })).ok();
        let explanations = answer["explanations"].as_array().unwrap();
        assert_eq!(explanations.len(), labels.len());
        assert_eq!(explanations[0], best["explanation"]);
        for explanation in explanations {
            let (mean, logit) = (mean(&exact(explanation)), explanation["logit"].as_f64().unwrap());
            assert!((mean - logit).abs() < ROUNDING, "{name}: {mean} for {logit}");
        }
    }
}

#[test]
fn the_overlay_lies_where_the_bundle_says_that_cells_look() {
    let (_, picture) = halves();
    let edge = |api: &Api| {
        let answer = ask(api, &picture, &json!("png")).ok();
        *overlay(&answer["explanation"]).get_pixel(SIDE / 2, 1)
    };
    // Half the first green column's (10, 50, 0), half viridis: its yellow end is (253, 231, 37).
    let hot = Rgb([131, 140, 18]);
    let even = start(Graph::Explained);
    assert_ne!(edge(&even), hot);
    // Each cell looks at the next pixel: the last red column's heat lies on the first green one.
    let shifted = start_with(Graph::Explained, |bundle| {
        bundle["class_maps"] = json!({ "stride": 1, "first": 1.5 });
    });
    assert_eq!(edge(&shifted), hot);
}

#[test]
fn explaining_changes_nothing_else_in_the_answer() {
    for explain in [json!(true), json!("png"), json!({ "labels": [0] }), json!(false)] {
        let mut body = json!({ "image_data": base64(&cat()), "explain": explain, "top_k": 1000 });
        let mut answer = without_timing(API.post_json("/predict", &body).ok());
        body["explain"] = Value::Null;
        let plain = without_timing(API.post_json("/predict", &body).ok());
        let members = answer.as_object_mut().unwrap();
        members.remove("explanation");
        members.remove("explanations");
        assert_eq!(answer, plain, "{explain}");
    }
}

#[test]
fn named_labels_are_explained_in_their_order() {
    let api = start(Graph::Explained);
    let (_, picture) = halves();
    for labels in [json!(["blue", 0, "green"]), json!([2, "red", 1])] {
        let answer = ask(&api, &picture, &json!({ "labels": labels })).ok();
        assert!(answer.get("explanation").is_none());
        let explained = answer["explanations"].as_array().unwrap();
        let indices: Vec<&Value> = explained.iter().map(|one| &one["index"]).collect();
        assert_eq!(indices, [2, 0, 1], "{labels}");
        assert_eq!(explained[0]["maximum"], 203.0, "the blue pixel");
    }
    let query = "/predict?explain=map&explain_label=blue&explain_label=0";
    let answer = api.post(query, "image/png", picture).ok();
    assert_eq!(answer["explanations"][1]["label"], "red");
}

#[test]
fn a_label_that_is_not_among_the_best_is_refused() {
    let api = start(Graph::Explained);
    let (_, picture) = halves();
    for label in [json!("blue"), json!(2), json!(99), json!("no such label"), json!(u64::MAX)] {
        let body =
            json!({ "image": base64(&picture), "explain": { "labels": [label] }, "top_k": 2 });
        let problem = api.post_json("/predict", &body).problem(400, "invalid_parameter");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("explain: ") && detail.contains("top_k"), "{detail}");
    }
    let long = json!({ "labels": ["x".repeat(100_000)] });
    let answer = ask(&api, &picture, &long);
    answer.problem(400, "invalid_parameter");
    assert!(answer.body.len() < 1000, "{} bytes", answer.body.len());
}

#[test]
fn min_score_hides_no_label_from_explanation() {
    let (_, picture) = halves();
    let body = json!({
        "image": base64(&picture), "explain": { "labels": ["green"] }, "min_score": 1
    });
    let answer = start(Graph::Explained).post_json("/predict", &body).ok();
    assert_eq!(answer["explanations"][0]["label"], "green");
}

#[test]
fn an_overlay_shows_the_picture_and_where_it_is_hot() {
    let api = start(Graph::Explained);
    let (pixels, picture) = halves();
    for (answer, form) in [
        (ask(&api, &picture, &json!("png")), "body"),
        (api.post("/predict?explain=png", "image/png", picture.clone()), "query"),
    ] {
        let answer = answer.ok();
        let overlay = overlay(&answer["explanation"]);
        assert_eq!(overlay.dimensions(), (SIDE, SIDE), "{form}");
        // The hottest colour is yellow, the coldest violet; half of each pixel is the picture's own.
        let (hot, cold) = (overlay.get_pixel(1, 7).0, overlay.get_pixel(7, 7).0);
        assert!(hot[1] > 100 && cold[1] < 60, "{hot:?} {cold:?}");
        assert_eq!(hot[0], pixels.get_pixel(1, 7).0[0].midpoint(253));
        assert_eq!(exact(&answer["explanation"]).len(), 64, "the values come as well");
    }
}

#[test]
fn an_overlay_of_a_real_picture_has_the_models_input_size() {
    let answer = ask(&API, &cat(), &json!("png")).ok();
    let input = API.get("/model").ok()["input"].clone();
    let (width, height) = overlay(&answer["explanation"]).dimensions();
    assert_eq!((json!(width), json!(height)), (input["width"].clone(), input["height"].clone()));
}

#[test]
fn a_flat_map_is_zero_everywhere() {
    let grey = encode(&plain(SIDE, SIDE, [90, 90, 90]), ImageFormat::Png);
    let answer = ask(&start(Graph::Explained), &grey, &json!("png")).ok();
    let explanation = &answer["explanation"];
    assert_eq!(explanation["label"], "blue");
    assert_eq!((&explanation["minimum"], &explanation["maximum"]), (&json!(93.0), &json!(93.0)));
    assert!(explanation["values"].as_array().unwrap().iter().all(|value| *value == 0.0));
}

#[test]
fn each_picture_of_a_batch_is_explained_or_fails_alone() {
    let api = start(Graph::Explained);
    let (_, picture) = halves();
    let grey = encode(&plain(SIDE, SIDE, [90, 90, 90]), ImageFormat::Png);
    let images = [base64(&picture), "***".to_owned(), base64(&grey)];
    let ask = |explain: &Value, top_k: usize| {
        let body = json!({ "images": images, "explain": explain, "top_k": top_k });
        api.post_json("/predict", &body).ok()["results"].as_array().unwrap().clone()
    };
    let results = ask(&json!(true), 5);
    assert_eq!(results[0]["explanation"]["label"], "red");
    check_problem(&results[1]["error"], 400, "invalid_base64");
    assert_eq!(results[2]["explanation"]["label"], "blue");
    let results = ask(&json!({ "labels": ["red"] }), 1);
    assert_eq!(results[0]["explanations"][0]["label"], "red");
    check_problem(&results[2]["error"], 400, "invalid_parameter");
}

#[test]
fn a_batch_gives_the_explanations_of_single_requests() {
    let pictures: Vec<Vec<u8>> =
        PICTURES.iter().map(|name| std::fs::read(workspace::picture(name)).unwrap()).collect();
    let images: Vec<String> = pictures.iter().map(|picture| base64(picture)).collect();
    let body = json!({ "images": images, "explain": true });
    let batch = API.post_json("/predict", &body).ok();
    for (result, picture) in batch["results"].as_array().unwrap().iter().zip(&pictures) {
        let single = ask(&API, picture, &json!(true)).ok();
        assert_eq!(result["label"], single["label"]);
        let (together, alone) = (exact(&result["explanation"]), exact(&single["explanation"]));
        let close = together.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(close, "{together:?} {alone:?}");
    }
}

#[test]
fn overlays_are_limited_by_the_answers_size() {
    let api = start(Graph::Explained);
    let (_, picture) = halves();
    let ask = |pictures: usize, labels: usize, format: &str| {
        let images = vec![base64(&picture); pictures];
        let labels = &["red", "green", "blue"][..labels];
        let explain = json!({ "labels": labels, "format": format });
        api.post_json("/predict", &json!({ "images": images, "explain": explain }))
    };
    ask(16, 1, "png").ok();
    ask(5, 3, "png").ok();
    ask(16, 3, "map").ok();
    let problem = ask(6, 3, "png").problem(400, "invalid_parameter");
    assert!(problem["detail"].as_str().unwrap().contains("18 overlays"), "{problem}");
}

#[test]
fn features_and_a_head_give_what_the_graphs_own_maps_give() {
    let (_, picture) = halves();
    let body = json!({
        "image": base64(&picture), "explain": true, "embedding": true, "top_k": 3
    });
    let [own, made] = [Graph::Explained, Graph::Featured].map(|graph| {
        let folder = toy::bundle(graph);
        let api = Api::folder(folder.path());
        assert_eq!(api.get("/model").ok()["embedding_dimension"], 3);
        let mut body = body.clone();
        body["explain"] = json!({ "labels": ["green", "red"], "format": "png" });
        without_timing(api.post_json("/predict", &body).ok())
    });
    assert_eq!(own, made);
    let batch = json!({ "images": [base64(&picture), base64(&picture)], "explain": true });
    let [own, made] = [Graph::Explained, Graph::Featured].map(|graph| {
        let folder = toy::bundle(graph);
        let answer = Api::folder(folder.path()).post_json("/predict", &batch).ok();
        answer["results"][1]["explanation"].clone()
    });
    assert_eq!(own, made);
}

#[test]
fn features_without_a_head_are_refused_by_name() {
    let api = start_with(Graph::Featured, |bundle| {
        bundle["files"].as_object_mut().unwrap().remove("head.safetensors");
    });
    assert_eq!(api.get("/model").ok()["explains"], false);
    let (_, picture) = halves();
    let problem = ask(&api, &picture, &json!(true)).problem(400, "invalid_parameter");
    assert!(problem["detail"].as_str().unwrap().contains("head.safetensors"), "{problem}");
    let body = json!({ "image": base64(&picture), "embedding": true });
    assert_eq!(api.post_json("/predict", &body).ok()["embedding"].as_array().unwrap().len(), 3);
}

#[test]
fn a_head_is_read_when_it_is_asked_for_and_never_unverified() {
    let folder = toy::bundle(Graph::Featured);
    let api = Api::folder(folder.path());
    let (_, picture) = halves();
    let head = folder.path().join("head.safetensors");
    let content = std::fs::read(&head).unwrap();
    let mut other = content.clone();
    *other.last_mut().unwrap() ^= 1;
    for wrong in [&other[..], b"no tensors"] {
        std::fs::write(&head, wrong).unwrap();
        ask(&api, &picture, &json!(true)).problem(503, "model_unavailable");
        ask(&api, &picture, &json!(false)).ok();
    }
    std::fs::write(&head, content).unwrap();
    ask(&api, &picture, &json!(true)).ok();
    std::fs::remove_file(&head).unwrap();
    ask(&api, &picture, &json!(true)).ok();
}

#[test]
fn a_bundle_that_is_replaced_in_its_folder_explains_until_the_new_one_is_loaded() {
    let folder = toy::bundle(Graph::Featured);
    let api = Api::folder(folder.path());
    assert_eq!(api.get("/model").ok()["explains"], true);
    let next = folder.path().join("next");
    std::fs::write(&next, b"of another bundle").unwrap();
    std::fs::rename(&next, folder.path().join("head.safetensors")).unwrap();
    let explained = ask(&api, &halves().1, &json!(true)).ok();
    assert!(explained["explanation"]["values"].is_array());
}

#[test]
fn a_model_without_maps_or_features_refuses_to_explain_and_to_embed() {
    let api = start(Graph::MeanColour);
    let picture = base64(&halves().1);
    for option in ["explain", "embedding"] {
        for form in [json!({ "image": picture }), json!({ "images": [picture] })] {
            let mut body = form;
            body[option] = json!(true);
            let problem = api.post_json("/predict", &body).problem(400, "invalid_parameter");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with(&format!("{option}: this model")), "{detail}");
            body[option] = json!(false);
            api.post_json("/predict", &body).ok();
        }
    }
}

#[test]
fn an_option_of_another_form_is_refused() {
    let cases = [
        json!({ "explain": 1 }),
        json!({ "explain": "jpeg" }),
        json!({ "explain": [] }),
        json!({ "explain": [["red"], "png"] }),
        json!({ "explain": { "labels": [] } }),
        json!({ "explain": { "labels": [-1] } }),
        json!({ "explain": { "labels": [1.5] } }),
        json!({ "explain": { "labels": vec![0; 11] } }),
        json!({ "explain": { "labels": vec![0; 100_000] } }),
        json!({ "explain": { "label": "red" } }),
        json!({ "explain": { "format": "jpeg" } }),
        json!({ "embedding": 1 }),
        json!({ "ood": "yes" }),
        json!({ "abstain_below": "high" }),
        json!({ "abstain_below": -0.1 }),
        json!({ "abstain_below": 1.1 }),
    ];
    let image = base64(&cat());
    for case in cases {
        let mut body = case.clone();
        body["image"] = json!(image);
        let answer = API.post_json("/predict", &body);
        answer.problem(400, "invalid_parameter");
        assert!(answer.body.len() < 1000, "{} bytes", answer.body.len());
    }
    for query in ["explain=yes", "explain=", "embedding=2", "ood=x", "abstain_below=NaN"] {
        let answer = API.post(&format!("/predict?{query}"), "image/jpeg", cat());
        let problem = answer.problem(400, "invalid_parameter");
        let name = query.split('=').next().unwrap();
        assert!(problem["detail"].as_str().unwrap().starts_with(name), "{problem}");
    }
}

#[test]
fn a_plain_answer_has_none_of_it() {
    assert_eq!(without_timing(API.predict(&cat()).ok()), expected(&cat(), 5));
}
