//! Every trigger reaches the same API: one answer for all, and it is the engine's.

use serde_json::{Value, json};

use crate::common::answer::without_timing;
use crate::common::api::{coffee, expected};
use crate::common::encode::base64;
use crate::function::{Stack, ok, problem, read, sample, samples};

/// How a sample event says which method and path it is for.
fn ask(event: &mut Value, method: &str, path: &str) {
    let event = event.as_object_mut().unwrap();
    event.insert("body".into(), Value::Null);
    event.insert("isBase64Encoded".into(), json!(false));
    if event.contains_key("rawPath") {
        event["rawPath"] = json!(path);
        event["rawQueryString"] = json!("");
        event["requestContext"]["http"]["method"] = json!(method);
        event["requestContext"]["http"]["path"] = json!(path);
        return;
    }
    event["path"] = json!(path);
    event["httpMethod"] = json!(method);
    if let Some(stage) = event["requestContext"]["stage"].as_str() {
        event["requestContext"]["path"] = json!(format!("/{stage}{path}"));
        event["requestContext"]["httpMethod"] = json!(method);
    }
}

#[test]
fn every_trigger_gives_the_engines_answer_and_every_page_as_text() {
    let stack = Stack::new();
    let function = stack.start();
    let expected = expected(&coffee(), 3);
    let names = samples();
    assert!(names.len() >= 5, "{names:?}");
    let mut ids = Vec::new();
    for name in &names {
        println!("{name}");
        let response = function.invoke(&sample(name));
        assert!(is_text(&response), "{name}");
        assert_eq!(without_timing(ok(&response)), expected, "{name}");
        ids.push(header(&response, "x-request-id"));

        let mut page = sample(name);
        ask(&mut page, "GET", "/");
        let response = function.invoke(&page);
        let (status, content_type, body) = read(&response);
        assert_eq!((status, content_type.as_str()), (200, "text/html; charset=utf-8"), "{name}");
        assert!(String::from_utf8_lossy(&body).starts_with("<!doctype html>"), "{name}");
        assert!(is_text(&response), "{name}");

        let mut missing = sample(name);
        ask(&mut missing, "GET", "/nothing");
        let response = function.invoke(&missing);
        problem(&response, 404, "not_found");
        // REST APIs and load balancers hand a base64 body on as it is.
        assert!(is_text(&response), "{name}");

        let mut head = sample(name);
        ask(&mut head, "HEAD", "/healthz");
        let (status, _, body) = read(&function.invoke(&head));
        assert_eq!((status, body.len()), (200, 0), "{name}");
    }
    ids.dedup();
    assert_eq!(ids.len(), names.len(), "each answer names its own request: {ids:?}");
}

fn is_text(response: &Value) -> bool {
    response["isBase64Encoded"] != json!(true)
}

fn header(response: &Value, name: &str) -> String {
    let single = response["headers"][name].as_str();
    single.or(response["multiValueHeaders"][name][0].as_str()).unwrap().to_owned()
}

/// What it is, the sample event that it is made of, and the change that makes it.
type Variation = (&'static str, &'static str, fn(&mut Value));

/// Variations of the samples that AWS sends as well.
fn variations() -> Vec<Variation> {
    vec![
        ("HTTP API with a named stage", "http-api-v2.json", |event| {
            event["rawPath"] = json!("/prod/predict");
            event["requestContext"]["stage"] = json!("prod");
            event["requestContext"]["http"]["path"] = json!("/prod/predict");
        }),
        ("HTTP API on a custom domain, stage named like a route", "http-api-v2.json", |event| {
            event["requestContext"]["stage"] = json!("predict");
            event["requestContext"]["domainName"] = json!("images.example.com");
        }),
        ("HTTP API, JSON encoded in base64", "http-api-v2.json", |event| {
            event["body"] = json!(base64(event["body"].as_str().unwrap().as_bytes()));
            event["isBase64Encoded"] = json!(true);
        }),
        ("HTTP API, headers as a client wrote them", "http-api-v2.json", |event| {
            let headers = event["headers"].as_object_mut().unwrap();
            headers.remove("content-type");
            headers.insert("Content-Type".into(), json!("application/json; charset=utf-8"));
        }),
        ("REST API whose emulator leaves the stage in the path", "rest-api-v1.json", |event| {
            event["path"] = json!("/prod/predict");
            event["requestContext"]["path"] = json!("/prod/predict");
        }),
        ("REST API with a stage named like a route", "rest-api-v1.json", |event| {
            event["requestContext"]["stage"] = json!("predict");
            event["requestContext"]["path"] = json!("/predict/predict");
        }),
        ("REST API on a custom domain", "rest-api-v1.json", |event| {
            event["requestContext"]["path"] = json!("/predict");
            event["requestContext"]["domainName"] = json!("images.example.com");
        }),
        ("REST API on a custom domain with a base path", "rest-api-v1.json", |event| {
            event["path"] = json!("/glimpse/predict");
            event["requestContext"]["path"] = json!("/glimpse/predict");
            event["requestContext"]["domainName"] = json!("images.example.com");
        }),
        (
            "REST API on a custom domain, base path named like a route",
            "rest-api-v1.json",
            |event| {
                event["path"] = json!("/v2/predict");
                event["requestContext"]["path"] = json!("/v2/predict");
                event["requestContext"]["domainName"] = json!("images.example.com");
            },
        ),
        ("HTTP API on a custom domain with a base path", "http-api-v2.json", |event| {
            event["rawPath"] = json!("/apis/glimpse/predict");
            event["requestContext"]["http"]["path"] = json!("/apis/glimpse/predict");
            event["requestContext"]["domainName"] = json!("images.example.com");
        }),
        ("HTTP API with a route, base path named like one", "http-api-v2.json", |event| {
            event["routeKey"] = json!("ANY /{proxy+}");
            event["pathParameters"] = json!({ "proxy": "predict" });
            event["rawPath"] = json!("/v1/predict");
            event["requestContext"]["routeKey"] = json!("ANY /{proxy+}");
            event["requestContext"]["http"]["path"] = json!("/v1/predict");
            event["requestContext"]["domainName"] = json!("images.example.com");
        }),
        ("REST API without single-value members", "rest-api-v1.json", |event| {
            event["headers"] = Value::Null;
            event["queryStringParameters"] = Value::Null;
        }),
        ("load balancer with multi-value headers", "alb.json", |event| {
            let event = event.as_object_mut().unwrap();
            for (single, several) in [
                ("headers", "multiValueHeaders"),
                ("queryStringParameters", "multiValueQueryStringParameters"),
            ] {
                let members = event.remove(single).unwrap();
                let members = members.as_object().unwrap().iter();
                let lists = members.map(|(name, value)| (name.clone(), json!([value])));
                event.insert(several.into(), Value::Object(lists.collect()));
            }
        }),
        ("load balancer, raw picture", "alb.json", |event| {
            event["headers"]["content-type"] = json!("image/jpeg");
            event["body"] = json!(base64(&coffee()));
            event["isBase64Encoded"] = json!(true);
        }),
    ]
}

#[test]
fn variations_of_the_events_give_the_same_answer() {
    let stack = Stack::new();
    let function = stack.start();
    let expected = expected(&coffee(), 3);
    for (variation, name, change) in variations() {
        println!("{variation}");
        let mut event = sample(name);
        change(&mut event);
        let response = function.invoke(&event);
        assert_eq!(without_timing(ok(&response)), expected, "{variation}");
        if name == "alb.json" {
            // The load balancer reads the one or the other, by its target group's setting.
            for headers in ["headers", "multiValueHeaders"] {
                assert!(!response[headers]["content-type"].is_null(), "{variation}: {headers}");
            }
        }
    }
}

#[test]
fn an_event_without_a_path_or_body_is_answered() {
    let stack = Stack::new();
    let function = stack.start();
    let mut event = sample("http-api-v2.json");
    event.as_object_mut().unwrap().remove("body");
    problem(&function.invoke(&event), 400, "invalid_json");
    let mut stage = sample("http-api-v2.json");
    stage["rawPath"] = json!("/prod");
    stage["requestContext"]["stage"] = json!("prod");
    stage["requestContext"]["http"]["method"] = json!("GET");
    assert_eq!(read(&function.invoke(&stage)).0, 200);
    problem(
        &function.invoke(&glimpse_tests::event::http_api("GET", "/%ff", None, "")),
        404,
        "not_found",
    );
}

#[test]
fn events_that_keep_the_function_warm_load_the_model_and_are_not_errors() {
    let stack = Stack::new();
    for event in [
        json!({ "version": "0", "detail-type": "Scheduled Event", "source": "aws.events",
                "resources": [], "detail": {} }),
        json!({ "source": "serverless-plugin-warmup" }),
        json!({ "key1": "value1", "key2": "value2", "key3": "value3" }),
        json!({ "key1": "value1" }),
        json!({}),
    ] {
        let function = stack.start();
        let answer = function.invoke(&event);
        assert_eq!(answer["model_ready"], true, "{event}: {answer}");
        assert!(answer.get("errorType").is_none(), "{event}: {answer}");
        let _ = function.log_with("the model is loaded", 1);
    }
    let function = stack.start();
    let other = function.invoke(&json!({ "hello": "world" }));
    assert!(other["errorMessage"].as_str().is_some_and(|text| text.contains("API Gateway")));
}

#[test]
fn an_event_that_cannot_be_read_is_refused_and_does_not_end_the_invocation() {
    let stack = Stack::new();
    let function = stack.start();
    for name in samples() {
        let mut event = sample(&name);
        event["isBase64Encoded"] = json!(true);
        event["body"] = json!("{\"image_data\": \"x\"}");
        problem(&function.invoke(&event), 400, "invalid_base64");
    }
    let mut host = sample("alb.json");
    host["headers"]["host"] = json!("not a host");
    problem(&function.invoke(&host), 400, "invalid_parameter");
    assert_eq!(without_timing(ok(&function.invoke(&sample("alb.json")))), expected(&coffee(), 3));
}

/// Lambda would make a 5xx of it, and a 5xx can send a deployment back.
#[test]
fn an_answer_that_lambda_would_not_take_is_refused() {
    let stack = Stack::new();
    let function = stack.start();
    let mut model = sample("http-api-v2.json");
    ask(&mut model, "GET", "/model");
    let name = ok(&function.invoke(&model))["name"].as_str().unwrap().to_owned();
    let infer = |id: String| {
        let body = json!({
            "id": id,
            "inputs": [{ "name": "image", "datatype": "BYTES", "shape": [1], "data": [base64(&coffee())] }]
        });
        let mut event = sample("http-api-v2.json");
        ask(&mut event, "POST", &format!("/v2/models/{name}/infer"));
        event["body"] = json!(base64(body.to_string().as_bytes()));
        event["isBase64Encoded"] = json!(true);
        let (status, _, body) = read(&function.invoke(&event));
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    // A quote is two bytes of JSON, and four of JSON within a string.
    let (status, answer) = infer("\"".repeat(1_600_000));
    assert_eq!(status, 413);
    assert!(answer["error"].as_str().unwrap().contains("the answer would be larger"), "{answer}");
    let (status, answer) = infer("\"".repeat(1_000_000));
    assert_eq!((status, answer["id"].as_str().unwrap().len()), (200, 1_000_000));
}
