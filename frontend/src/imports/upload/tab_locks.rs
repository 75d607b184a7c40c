//! Locks on uploads between the tabs of this browser. Two tabs that send the same upload would interrupt each other.
//!
//! By the Web Locks API: a lock ends with its tab, however that ends. If it is missing (a page without TLS on another host),
//! every tab gets every lock; the server keeps the bytes correct in any case.

use js_sys::{Array, Function, Object, Promise, Reflect};
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;

/// A lock on an upload, held until it is dropped.
pub struct TabLock(Option<Function>);

impl Drop for TabLock {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            // It is the function of a promise, which does not fail.
            let _ = release.call0(&JsValue::NULL);
        }
    }
}

/// Acquires the lock on an upload for this tab; `None` if another tab has it.
pub async fn acquire(url: &str) -> Option<TabLock> {
    // Without the API, no tab has one.
    request(url).await.unwrap_or(Some(TabLock(None)))
}

/// The URLs of the uploads that are locked, by this tab or another.
pub async fn held() -> Vec<String> {
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

async fn request(url: &str) -> Result<Option<TabLock>, JsValue> {
    let locks = locks()?;
    let options = Object::new();
    Reflect::set(&options, &"ifAvailable".into(), &JsValue::TRUE)?;
    // The lock is held for as long as this promise is open.
    let (held, release) = promise();
    let (answer, resolve_answer) = promise();
    let granted = Closure::once_into_js(move |lock: JsValue| {
        // It is the function of a promise, which does not fail.
        let _ = resolve_answer.call1(&JsValue::NULL, &JsValue::from_bool(!lock.is_null()));
        if lock.is_null() { JsValue::UNDEFINED } else { held.into() }
    });
    method(&locks, "request")?.call3(&locks, &name(url).into(), &options, &granted)?;
    Ok(JsFuture::from(answer).await?.is_truthy().then_some(TabLock(Some(release))))
}

/// A promise, and the function that fulfils it.
fn promise() -> (Promise, Function) {
    // Not created with a default: that would be a function made of text, which the content security policy forbids.
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
