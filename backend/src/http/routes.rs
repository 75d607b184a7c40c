//! The only way to register a handler: together with the rule that says who may call it.
//!
//! The rule is attached to the resource that actix matched, so it cannot disagree with the router about what a path means,
//! and a handler without a rule does not compile. `clippy.toml` refuses the ways around this module. All operations of a path are one resource: a
//! method that it does not have is answered 405 with `Allow`, and HEAD is answered wherever GET is (RFC 9110, section 9.3.2).

use std::{collections::BTreeMap, rc::Rc};

use actix_web::{
    Error, FromRequest, Handler, HttpResponse, Responder, Route,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    guard,
    http::Method,
    middleware::{Next, from_fn},
    web::{self, ServiceConfig},
};
use utoipa::openapi::{HttpMethod, OpenApi, path::Paths};
use utoipa_actix_web::OpenApiFactory;

use crate::{
    auth::{self, Rule},
    http::ApiError,
};

/// A handler and what the API's document says about it; made by [`operation!`](crate::operation).
pub struct Operation {
    path: String,
    method: Method,
    document: OpenApi,
    route: Route,
    /// The same handler for HEAD, where the method is GET.
    head: Option<Route>,
}

impl Operation {
    /// `documented` is what `#[utoipa::path]` makes for `handler`.
    pub fn new<P, H, Args>(documented: &P, handler: H) -> Self
    where
        P: OpenApiFactory + utoipa::Path,
        H: Handler<Args>,
        H::Output: Responder + 'static,
        Args: FromRequest + 'static,
    {
        let method = match P::methods().first() {
            Some(HttpMethod::Get) => Method::GET,
            Some(HttpMethod::Post) => Method::POST,
            Some(HttpMethod::Put) => Method::PUT,
            Some(HttpMethod::Patch) => Method::PATCH,
            Some(HttpMethod::Delete) => Method::DELETE,
            Some(HttpMethod::Head) => Method::HEAD,
            Some(HttpMethod::Options) => Method::OPTIONS,
            _ => panic!("{} has a method that is not supported", P::path()),
        };
        let mut document = OpenApi::default();
        document.paths = documented.paths();
        let mut schemas = Vec::new();
        documented.schemas(&mut schemas);
        document.components.get_or_insert_default().schemas.extend(schemas);
        let head = (method == Method::GET).then(|| web::route().to(handler.clone()));
        Self { path: P::path(), method, document, route: web::route().to(handler), head }
    }

    /// Adds a middleware that runs after the access check.
    #[must_use]
    pub fn wrap(mut self, wrap: impl FnOnce(Route) -> Route) -> Self {
        self.route = wrap(self.route);
        self
    }
}

/// The [`Operation`] of a handler that has an `#[utoipa::path]`.
#[macro_export]
macro_rules! operation {
    (@ [$($module:ident)*] $name:ident) => {
        pastey::paste! {
            $crate::http::routes::Operation::new(&$($module::)*[<__path_ $name>], $($module::)*$name)
        }
    };
    (@ [$($module:ident)*] $head:ident :: $($rest:tt)+) => { $crate::operation!(@ [$($module)* $head] $($rest)+) };
    ($($path:tt)+) => { $crate::operation!(@ [] $($path)+) };
}

/// All operations of the program, by path.
#[derive(Default)]
pub struct Routes {
    prefix: &'static str,
    /// Sorted: `/products/count` before `/products/{id}`, since letters come before the brace.
    resources: BTreeMap<String, Vec<(Operation, Rule)>>,
}

impl Routes {
    /// Begins every path that is added from now on with `prefix`.
    pub fn under(&mut self, prefix: &'static str) -> &mut Self {
        self.prefix = prefix;
        self
    }

    /// Adds a handler, which those may call that `rule` names.
    pub fn add(&mut self, operation: Operation, rule: Rule) -> &mut Self {
        let path = format!("{}{}", self.prefix, operation.path);
        self.resources.entry(path).or_default().push((operation, rule));
        self
    }

    /// Adds the domain's handlers.
    pub fn configure(&mut self, add: impl FnOnce(&mut Self)) -> &mut Self {
        add(self);
        self
    }

    /// Adds what is registered to the document.
    pub fn describe(&self, document: &mut OpenApi) {
        for (path, operations) in &self.resources {
            for (operation, _) in operations {
                let mut paths = Paths::new();
                for item in operation.document.paths.paths.values() {
                    paths.paths.insert(path.clone(), item.clone());
                }
                let mut one = operation.document.clone();
                one.paths = paths;
                document.merge(one);
            }
        }
    }

    /// Registers all of it with actix.
    #[expect(clippy::disallowed_methods, reason = "here, each resource gets its rules")]
    pub fn register(self, config: &mut ServiceConfig) {
        for (path, operations) in self.resources {
            config.service(resource(&path, operations));
        }
    }
}

/// What a path answers, by method.
struct Methods {
    rules: Vec<(Method, Rule)>,
    /// The value of `Allow`.
    allow: String,
}

impl Methods {
    fn rule(&self, method: &Method) -> Option<Rule> {
        self.rules.iter().find(|(other, _)| other == method).map(|(_, rule)| *rule)
    }
}

fn resource(path: &str, operations: Vec<(Operation, Rule)>) -> impl actix_web::dev::HttpServiceFactory + use<> {
    let mut resource = web::resource(path);
    let mut rules = Vec::new();
    for (operation, rule) in operations {
        if let Some(head) = operation.head {
            rules.push((Method::HEAD, rule));
            resource = resource.route(head.guard(guard::Head()).wrap(from_fn(without_body)));
        }
        resource = resource.route(operation.route.method(operation.method.clone()));
        rules.push((operation.method, rule));
    }
    let mut allow: Vec<_> = rules.iter().map(|(method, _)| method.to_string()).collect();
    allow.sort_unstable();
    let methods = Rc::new(Methods { rules, allow: allow.join(", ") });
    let allow = methods.allow.clone();
    resource
        .default_service(web::to(move || {
            let allow = allow.clone();
            async move { Err::<HttpResponse, _>(ApiError::MethodNotAllowed { allow }) }
        }))
        .wrap(from_fn(move |request: ServiceRequest, next: Next<BoxBody>| {
            let rule = methods.rule(request.method());
            async move {
                match rule {
                    Some(rule) => auth::guard(rule, request, next).await,
                    // No handler has this method: the answer is 405 for every caller.
                    None => next.call(request).await,
                }
            }
        }))
}

/// Answers HEAD by what GET would be answered. The body is not read: a stream of events would never end.
async fn without_body(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    Ok(next.call(request).await?.map_body(|_, _| BoxBody::new(())))
}
