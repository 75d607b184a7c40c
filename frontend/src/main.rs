//! The single-page app: import product files, watch them live, and manage the products.

mod api;
mod app;
mod auth;
mod imports;
mod products;
mod stream;
mod ui;
mod webhooks;

fn main() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(app::App);
}
