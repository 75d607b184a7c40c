//! Authentication and authorization.

mod audit;
mod cross_site;
mod headers;
mod keys;
mod limits;
mod proxies;
mod rules;
mod secrets;
mod sessions;
mod sign_in;
mod spelling;
mod startup;
mod users;
