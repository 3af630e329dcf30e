//! The `OpenAPI` document says all that the server does.

use std::collections::BTreeSet;

use crate::common::api::API;
use crate::methods::ROUTES;

#[test]
fn it_has_every_route_with_its_methods_and_no_other() {
    let document = API.get("/openapi.json").ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let paths = document["paths"].as_object().unwrap();
    let described = paths.iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    let routes = ROUTES.iter().map(|(path, methods)| {
        // HEAD goes with GET.
        format!("{} {path}", methods.split(',').next().unwrap())
    });
    assert_eq!(described.collect::<BTreeSet<_>>(), routes.collect::<BTreeSet<_>>());
}

#[test]
fn it_refers_to_nothing_that_is_not_there() {
    let document = API.get("/openapi.json").ok();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_a_known_tag() {
    let document = API.get("/openapi.json").ok();
    let tags = document["tags"].as_array().unwrap();
    let mut names = BTreeSet::new();
    for operation in document["paths"].as_object().unwrap().values() {
        for operation in operation.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{operation}");
            let tag = &operation["tags"][0];
            assert!(tags.iter().any(|known| known["name"] == *tag), "{tag}");
        }
    }
}
