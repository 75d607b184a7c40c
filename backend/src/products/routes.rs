//! `/products`.

use utoipa_actix_web::service_config::ServiceConfig;

use crate::products::{bulk, edit, export, list, news, wipe};

/// What has a name of its own comes before what has a number.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(list::list_products)
        .service(list::count_products)
        .service(list::product_index)
        .service(export::export_products)
        .service(news::watch_products)
        .service(edit::create_product)
        .service(edit::restore_products)
        .service(bulk::routes::change_many)
        .service(bulk::routes::list_jobs)
        .service(bulk::routes::get_job)
        .service(bulk::routes::cancel_job)
        .service(bulk::watch::watch_job)
        .service(wipe::delete_all_products)
        .service(edit::get_product)
        .service(edit::replace_product)
        .service(edit::change_product)
        .service(edit::delete_product);
}
