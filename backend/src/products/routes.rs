//! The operations under `/products`.

use crate::auth::Rule;
use crate::http::routes::Routes;
use crate::operation;
use crate::products::{bulk, delete_all, edit, export, list, stream};
use shared::auth::Permission::{Admin, ReadProducts, WriteProducts};

pub fn configure(routes: &mut Routes) {
    routes
        .add(operation!(list::list_products), Rule::requires(ReadProducts))
        .add(operation!(list::count_products), Rule::requires(ReadProducts))
        .add(operation!(list::product_index), Rule::requires(ReadProducts))
        .add(operation!(export::export_products), Rule::requires(ReadProducts))
        .add(operation!(stream::watch_products), Rule::requires(ReadProducts))
        .add(operation!(edit::create_product), Rule::requires(WriteProducts).audited("product.create"))
        .add(operation!(edit::restore_products), Rule::requires(WriteProducts).audited("product.restore"))
        .add(operation!(bulk::routes::change_many), Rule::requires(WriteProducts).audited("product.bulk"))
        .add(operation!(bulk::routes::list_jobs), Rule::requires(ReadProducts))
        .add(operation!(bulk::routes::get_job), Rule::requires(ReadProducts))
        .add(operation!(bulk::routes::cancel_job), Rule::requires(WriteProducts).audited("product.bulk_cancel"))
        .add(operation!(bulk::routes::undo_job), Rule::requires(WriteProducts).audited("product.bulk_undo"))
        .add(operation!(bulk::stream::watch_job), Rule::requires(ReadProducts))
        .add(operation!(delete_all::delete_all_products), Rule::requires(Admin).audited("product.delete_all"))
        .add(operation!(edit::get_product), Rule::requires(ReadProducts))
        .add(operation!(edit::replace_product), Rule::requires(WriteProducts).audited("product.update"))
        .add(operation!(edit::change_product), Rule::requires(WriteProducts).audited("product.update"))
        .add(operation!(edit::delete_product), Rule::requires(WriteProducts).audited("product.delete"));
}
