//! `/products`.

use utoipa_actix_web::service_config::ServiceConfig;

use crate::products::list;

pub fn configure(config: &mut ServiceConfig) {
    config.service(list::list_products).service(list::count_products).service(list::product_index);
}
