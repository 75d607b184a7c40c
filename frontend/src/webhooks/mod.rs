//! Webhooks: receivers, their health, and the log of their deliveries.

mod actions;
mod attempt;
mod card;
mod delivery;
mod form;
mod health_chart;
mod labels;
mod list_page;
mod log;
mod page;
mod query;
mod refresh;
mod replay;
mod requests;
mod secret;
mod snippet;
mod switch;
mod test_delivery;

pub use list_page::WebhooksPage;
pub use page::WebhookPage;
