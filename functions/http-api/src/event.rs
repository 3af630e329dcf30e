//! What Lambda hands over: a request, or an event that only keeps the function warm.
//!
//! A body can have megabytes, and each copy of it counts in the function's peak. So an event is read
//! from Lambda's own bytes, and by its first member, not by trying one form after the other.

use glimpse_start::keep_warm;
use lambda_http::request::LambdaRequest;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// One event.
pub enum Event {
    /// A request of API Gateway, a function URL or a load balancer.
    Http(Box<LambdaRequest>),
    /// It names no work.
    KeepWarm,
    /// Neither; the function's answer is this error.
    Unknown(serde_json::Error),
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::read(<&RawValue>::deserialize(deserializer)?.get()))
    }
}

impl Event {
    fn read(text: &str) -> Self {
        let likely = Form::likely(text).and_then(|form| form.read(text).ok());
        match likely.map_or_else(|| serde_json::from_str(text), Ok) {
            Ok(request) => Self::Http(Box::new(request)),
            Err(error) => match serde_json::from_str(text) {
                Ok(event) if keep_warm::is_keep_warm(&event) => Self::KeepWarm,
                _ => Self::Unknown(error),
            },
        }
    }
}

/// The forms of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    ApiGatewayV1,
    ApiGatewayV2,
    LoadBalancer,
}

/// How the services begin their events, without white space.
const BEGINNINGS: [(&str, Form); 4] = [
    (r#"{"version":"2.0""#, Form::ApiGatewayV2),
    (r#"{"version":"1.0""#, Form::ApiGatewayV1),
    (r#"{"resource":"#, Form::ApiGatewayV1),
    (r#"{"requestContext":{"elb""#, Form::LoadBalancer),
];

impl Form {
    /// By the first member, as the services write it.
    fn likely(text: &str) -> Option<Self> {
        let longest = BEGINNINGS.iter().map(|(beginning, _)| beginning.len()).max()?;
        let dense = text.chars().filter(|c| !c.is_ascii_whitespace());
        let dense: String = dense.take(longest).collect();
        let found = BEGINNINGS.iter().find(|(beginning, _)| dense.starts_with(beginning));
        found.map(|(_, form)| *form)
    }

    fn read(self, text: &str) -> serde_json::Result<LambdaRequest> {
        Ok(match self {
            Self::ApiGatewayV1 => LambdaRequest::ApiGatewayV1(serde_json::from_str(text)?),
            Self::ApiGatewayV2 => LambdaRequest::ApiGatewayV2(serde_json::from_str(text)?),
            Self::LoadBalancer => LambdaRequest::Alb(serde_json::from_str(text)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: [(&str, Form); 5] = [
        (include_str!("../../../events/rest-api-v1.json"), Form::ApiGatewayV1),
        (include_str!("../../../events/http-api-v2.json"), Form::ApiGatewayV2),
        (include_str!("../../../events/http-api-v2-raw.json"), Form::ApiGatewayV2),
        (include_str!("../../../events/function-url.json"), Form::ApiGatewayV2),
        (include_str!("../../../events/alb.json"), Form::LoadBalancer),
    ];

    fn form(request: &LambdaRequest) -> Option<Form> {
        match request {
            LambdaRequest::ApiGatewayV1(_) => Some(Form::ApiGatewayV1),
            LambdaRequest::ApiGatewayV2(_) => Some(Form::ApiGatewayV2),
            LambdaRequest::Alb(_) => Some(Form::LoadBalancer),
            _ => None,
        }
    }

    #[test]
    fn the_services_events_are_known_by_their_beginning() {
        for (text, expected) in SAMPLES {
            assert_eq!(Form::likely(text), Some(expected));
            // As `lambda_http` finds it, which tries one form after the other.
            assert_eq!(form(&serde_json::from_str(text).unwrap()), Some(expected));
        }
    }

    #[test]
    fn an_event_that_begins_otherwise_is_read_all_the_same() {
        for (text, expected) in SAMPLES {
            let other = format!("{{\"first\": 1, {}", &text.trim_start()[1..]);
            assert_eq!(Form::likely(&other), None);
            let Ok(Event::Http(request)) = serde_json::from_str(&other) else { panic!("{other}") };
            assert_eq!(form(&request), Some(expected));
        }
    }

    #[test]
    fn a_beginning_that_misleads_does_not_refuse_the_event() {
        let (rest, _) = SAMPLES[0];
        let odd = format!("{{\"version\": \"2.0\", {}", &rest.trim_start()[1..]);
        assert_eq!(Form::likely(&odd), Some(Form::ApiGatewayV2));
        assert!(matches!(serde_json::from_str(&odd), Ok(Event::Http(_))));
    }

    #[test]
    fn what_is_no_request_keeps_the_function_warm_or_is_refused() {
        assert!(matches!(serde_json::from_str("{}"), Ok(Event::KeepWarm)));
        assert!(matches!(serde_json::from_str(r#"{"Records": []}"#), Ok(Event::Unknown(_))));
    }
}
