//! One invocation: a request for the Router, or an event that only keeps the function warm.

use axum::Router;
use axum::middleware::from_fn;
use glimpse_api::{ApiState, RequestId, guarded_router};
use glimpse_model_store::ModelStore;
use glimpse_start::keep_warm;
use http::{HeaderName, Request};
use lambda_http::{Adapter, Error, LambdaEvent, RequestExt as _, Service as _, service_fn};
use serde::Serialize;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::deadline::{self, TimeLeft};
use crate::event::Event;
use crate::{answer, request};

const TRACE: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The model and the routes; cloning shares them.
#[derive(Clone)]
pub struct Function {
    store: ModelStore,
    router: Router,
}

/// What Lambda gets back.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Answer<R> {
    /// A response in the form of the service that the request came through.
    Http(R),
    /// That the function is warm.
    Warm(Value),
}

impl Function {
    /// The API's routes, with the layers that events and Lambda's limits ask for.
    #[must_use]
    pub fn new(store: ModelStore, state: &ApiState) -> Self {
        let refuse = |routes: Router| {
            routes
                .layer(from_fn(answer::refuse_too_large))
                .layer(from_fn(deadline::answer_in_time))
                .layer(from_fn(request::refuse_unreadable))
        };
        Self { store, router: guarded_router(state, Router::new(), refuse) }
    }

    /// Answer one event.
    ///
    /// # Errors
    /// When the event is neither a request nor one that keeps functions warm.
    pub async fn answer(
        self,
        LambdaEvent { payload, context }: LambdaEvent<Event>,
    ) -> Result<Answer<impl Serialize>, Error> {
        let event = match payload {
            Event::Http(event) => *event,
            Event::KeepWarm => return Ok(Answer::Warm(keep_warm::answer(&self.store).await)),
            Event::Unknown(error) => return Err(error.into()),
        };
        // `lambda_http` writes the response in the form that suits the request's origin. It gets an
        // empty request of that origin: making ours of the event can fail.
        let empty = request::empty_like(&event)?;
        let mut request = request::read(event);
        let router = self.router;
        let service = service_fn(move |empty: lambda_http::Request| {
            let mut request = std::mem::take(&mut request);
            add_context(&mut request, &empty);
            router.clone().oneshot(request)
        });
        // The adapter itself, which must stay on its thread, is gone when the future is awaited.
        let response = Adapter::from(service).call(LambdaEvent::new(empty, context));
        Ok(Answer::Http(response.await?))
    }
}

/// The invocation's id, time and trace, which `lambda_http` adds to its own request.
fn add_context<B>(request: &mut Request<B>, from: &lambda_http::Request) {
    if let Some(trace) = from.headers().get(TRACE) {
        request.headers_mut().insert(TRACE, trace.clone());
    }
    if let Some(context) = from.lambda_context_ref() {
        request.extensions_mut().insert(RequestId::from_platform(&context.request_id));
        if let Some(left) = TimeLeft::of(context) {
            request.extensions_mut().insert(left);
        }
    }
}
