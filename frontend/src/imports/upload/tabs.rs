//! Which uploads other tabs of this browser have in hand. Two that send the same one would cut each other off.
//!
//! By the Web Locks API: a lock ends with its tab, however that ends. Where it is missing (a page without TLS on another
//! host), each tab thinks that it is alone; the server keeps the bytes right in any case.

use js_sys::{Array, Function, Object, Promise, Reflect};
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;

/// Holds an upload for this tab until it is dropped.
pub struct Claim(Option<Function>);

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            // It is the function of a promise, which does not fail.
            let _ = release.call0(&JsValue::NULL);
        }
    }
}

/// Takes an upload for this tab; `None` where another has it.
pub async fn claim(url: &str) -> Option<Claim> {
    // Without locks, nobody holds one.
    request(url).await.unwrap_or(Some(Claim(None)))
}

/// The URLs of the uploads that are in hand, here or elsewhere.
pub async fn claimed() -> Vec<String> {
    query().await.unwrap_or_default()
}

fn name(url: &str) -> String {
    format!("loadify.upload {url}")
}

fn locks() -> Result<JsValue, JsValue> {
    let locks = Reflect::get(&window().navigator(), &"locks".into())?;
    if locks.is_undefined() { Err(JsValue::UNDEFINED) } else { Ok(locks) }
}

fn method(of: &JsValue, name: &str) -> Result<Function, JsValue> {
    Reflect::get(of, &name.into())?.dyn_into()
}

async fn request(url: &str) -> Result<Option<Claim>, JsValue> {
    let locks = locks()?;
    let options = Object::new();
    Reflect::set(&options, &"ifAvailable".into(), &JsValue::TRUE)?;
    // The lock is held for as long as this promise is open.
    let (held, release) = promise();
    let (answer, tell) = promise();
    let granted = Closure::once_into_js(move |lock: JsValue| {
        // It is the function of a promise, which does not fail.
        let _ = tell.call1(&JsValue::NULL, &JsValue::from_bool(!lock.is_null()));
        if lock.is_null() { JsValue::UNDEFINED } else { held.into() }
    });
    method(&locks, "request")?.call3(&locks, &name(url).into(), &options, &granted)?;
    Ok(JsFuture::from(answer).await?.is_truthy().then_some(Claim(Some(release))))
}

/// A promise, and the function that fulfils it.
fn promise() -> (Promise, Function) {
    // Not begun with a default: that would be a function made of a text, which the page's policy forbids.
    let mut fulfil = None;
    let promise = Promise::new(&mut |resolve, _| fulfil = Some(resolve));
    (promise, fulfil.expect("a promise calls its executor at once"))
}

async fn query() -> Result<Vec<String>, JsValue> {
    let locks = locks()?;
    let asked: Promise = method(&locks, "query")?.call0(&locks)?.dyn_into()?;
    let held: Array = Reflect::get(&JsFuture::from(asked).await?, &"held".into())?.dyn_into()?;
    let prefix = name("");
    let names = held.iter().filter_map(|lock| Reflect::get(&lock, &"name".into()).ok()?.as_string());
    Ok(names.filter_map(|name| Some(name.strip_prefix(&prefix)?.to_owned())).collect())
}
