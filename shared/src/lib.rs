//! The words that the server and the browser both speak: what travels over HTTP, and the rules for it.
//!
//! A rule lives here when both sides apply it: the form and the API check a product with the same function, and the
//! page refuses a file without a SKU column before it sends a byte, for the reason that the server would give.

pub mod access;
pub mod bulk;
pub mod detect;
pub mod event;
pub mod formula;
pub mod health;
pub mod import;
pub mod problem;
pub mod product;
pub mod search;
pub mod webhook;

pub use access::{
    AccessMode, ApiKey, AuditEntry, AuditPage, KeyInput, KeyList, NewKey, PasswordChange, Permission, Person,
    PersonChange, PersonInput, PersonList, Role, Scope, Session, SessionInfo, SessionList, Setup, SignIn, SignedIn,
};
pub use bulk::{
    BulkAction, BulkJob, BulkJobList, BulkOutcome, BulkRequest, BulkStatus, CatalogueNews, DeletedAll, RestoreOutcome,
    RestoreRequest,
};
pub use event::{EventKind, ImportEvent, ImportState};
pub use health::{Health, HealthCheck, HealthState};
pub use import::{
    Counts, Import, ImportFromUrl, ImportPage, ImportPhase, ImportStatus, RejectedPage, RejectedRow, RowErrorCode,
};
pub use problem::{ErrorCode, FieldError, Problem};
pub use product::{Product, ProductChange, ProductInput, sku_key};
pub use search::{IndexState, ProductFilter, ProductPage, ProductSort, Total};
pub use webhook::{
    Attempt, AttemptError, Delivery, DeliveryDetail, DeliveryPage, DeliveryStatus, DisabledReason, Header, NewWebhook,
    RecentDelivery, ReplayOutcome, ReplayRequest, RotatedSecret, TestRequest, Timings, Webhook, WebhookChange,
    WebhookEvent, WebhookHealth, WebhookInput, WebhookList,
};
