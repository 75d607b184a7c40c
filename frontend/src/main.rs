//! The single-page app: drop a file, watch it go in, see the products.

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
