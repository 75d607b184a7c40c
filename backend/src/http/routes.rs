//! The only way to register a handler: together with the rule that says who may call it.
//!
//! The rule is attached to the resource that actix matched, so it cannot disagree with the router about what a path means,
//! and a handler without a rule does not compile. `clippy.toml` refuses the ways around this module. All operations of a path are one resource: a
//! method that it does not have is answered 405 with `Allow`, and HEAD is answered wherever GET is (RFC 9110, section 9.3.2).

use std::{collections::BTreeMap, rc::Rc};

use actix_web::{
    Error, FromRequest, Handler, HttpMessage, HttpResponse, Responder, ResponseError, Route,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    guard,
    http::Method,
    middleware::{Next, from_fn},
    web::{self, ServiceConfig},
};
use utoipa::{
    IntoResponses,
    openapi::{
        HttpMethod, OpenApi,
        path::{Operation as Documented, PathItem, Paths},
    },
};
use utoipa_actix_web::OpenApiFactory;

use crate::{
    auth::{self, Rule},
    http::{ApiError, error::ErrorResponses, json::PublicOperation, query::QueryParameters},
};

/// A handler with its part of the API's document; made by [`operation!`](crate::operation).
pub struct Operation {
    path: String,
    method: Method,
    document: OpenApi,
    route: Route,
    /// The same handler for HEAD, where the method is GET.
    head: Option<Route>,
    query: QueryParameters,
}

impl Operation {
    /// `documented` is what `#[utoipa::path]` generates for `handler`. The errors that every operation may answer are added.
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
        let documented = document.paths.paths.values_mut().flat_map(operations).next().expect("it has one operation");
        let query = QueryParameters::of(documented);
        for (status, response) in ErrorResponses::responses() {
            documented.responses.responses.entry(status).or_insert(response);
        }
        Self { path: P::path(), method, document, route: web::route().to(handler), head, query }
    }

    /// Adds a middleware that runs after the access check.
    #[must_use]
    pub fn wrap(mut self, wrap: impl FnOnce(Route) -> Route) -> Self {
        self.route = wrap(self.route);
        self
    }
}

/// Returns the [`Operation`] of a handler that has an `#[utoipa::path]`.
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
    /// Prepends `prefix` to every path that is added from now on.
    pub fn under(&mut self, prefix: &'static str) -> &mut Self {
        self.prefix = prefix;
        self
    }

    /// Adds a handler. `rule` says who may call it.
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

    /// Adds the operations to the document.
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

    /// Registers all operations with actix.
    #[expect(clippy::disallowed_methods, reason = "the place where each resource gets its rules")]
    pub fn register(self, config: &mut ServiceConfig) {
        for (path, operations) in self.resources {
            config.service(resource(&path, operations));
        }
    }
}

/// The operations of a path.
struct Methods {
    operations: Vec<(Method, Rule, Rc<QueryParameters>)>,
    /// The value of `Allow`.
    allow: String,
}

impl Methods {
    fn find(&self, method: &Method) -> Option<(Rule, Rc<QueryParameters>)> {
        let found = self.operations.iter().find(|(other, ..)| other == method);
        found.map(|(_, rule, query)| (*rule, Rc::clone(query)))
    }
}

fn resource(path: &str, operations: Vec<(Operation, Rule)>) -> impl actix_web::dev::HttpServiceFactory + use<> {
    let mut resource = web::resource(path);
    let mut methods = Vec::new();
    for (operation, rule) in operations {
        let query = Rc::new(operation.query);
        if let Some(head) = operation.head {
            methods.push((Method::HEAD, rule, Rc::clone(&query)));
            resource = resource.route(head.guard(guard::Head()).wrap(from_fn(check_query)).wrap(from_fn(without_body)));
        }
        resource = resource.route(operation.route.method(operation.method.clone()).wrap(from_fn(check_query)));
        methods.push((operation.method, rule, query));
    }
    let mut allow: Vec<_> = methods.iter().map(|(method, ..)| method.to_string()).collect();
    allow.sort_unstable();
    let methods = Rc::new(Methods { operations: methods, allow: allow.join(", ") });
    let allow = methods.allow.clone();
    resource
        .default_service(web::to(move || {
            let allow = allow.clone();
            async move { Err::<HttpResponse, _>(ApiError::MethodNotAllowed { allow }) }
        }))
        .wrap(from_fn(move |request: ServiceRequest, next: Next<BoxBody>| {
            let operation = methods.find(request.method());
            async move {
                let Some((rule, query)) = operation else {
                    // No handler has this method: every caller gets a 405.
                    return next.call(request).await;
                };
                if rule.is_public() {
                    request.extensions_mut().insert(PublicOperation);
                }
                request.extensions_mut().insert(query);
                auth::authorize(rule, request, next).await
            }
        }))
}

/// Refuses query parameters that the operation does not have. After the access check: an error shows what the API accepts.
async fn check_query(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let parameters = request.extensions().get::<Rc<QueryParameters>>().cloned().unwrap_or_default();
    match parameters.check(request.query_string()) {
        Ok(()) => next.call(request).await,
        // Not as an error, which would pass by the middleware that adds headers.
        Err(error) => Ok(request.into_response(error.error_response())),
    }
}

/// Returns the operations of a path in the document.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Documented> {
    let PathItem { get, put, post, delete, options, head, patch, .. } = item;
    [get, put, post, delete, options, head, patch].into_iter().flatten()
}

/// Answers HEAD as GET would be answered, without the body, which is not read: a stream of events would never end.
async fn without_body(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    Ok(next.call(request).await?.map_body(|_, _| BoxBody::new(())))
}
